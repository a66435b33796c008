"""What looks at everything: migrations, checks, status, pruning."""
