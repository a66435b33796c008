"""Measure the parts of this repository on this machine."""
