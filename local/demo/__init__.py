"""Show the whole system at work: the demo to watch, the smoke run, and the scenes that both play."""
