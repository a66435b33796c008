"""Compare both sides, confirm drift, and repair it."""
