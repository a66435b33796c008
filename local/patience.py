"""Say when a wait is taken for a hang."""

# A guard, and no measure: on the busiest machine what works is far sooner. A test may take twice as long.
PATIENCE_SECONDS = 300.0
