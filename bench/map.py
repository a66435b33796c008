"""Map documents to rows in chunks of several sizes."""
