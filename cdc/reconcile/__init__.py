"""Both sides compared, drift confirmed and repaired."""
