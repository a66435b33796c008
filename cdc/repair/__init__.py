"""Dead letters, and reading documents again."""
