"""Break the running system at random, again and again, and count what is wrong afterwards."""
