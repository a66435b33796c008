"""Backfills: copy what containers held before."""
