"""Documents that are read again: dead letters, and the answers of the source."""
