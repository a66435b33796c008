"""Pause Python's cyclic garbage collector during a batch.

It would scan thousands of rows that have no cycles (measured: docs/performance.md).
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Pause the collector; with several batches at once, the one that disabled it enables it again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
