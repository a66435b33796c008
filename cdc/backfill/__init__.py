"""Copies of what containers held before."""
