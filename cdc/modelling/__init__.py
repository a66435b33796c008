"""Look at data before somebody writes a mapper for it, and at a mapper before it runs."""
