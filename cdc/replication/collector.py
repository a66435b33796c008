"""Keep Python's cyclic garbage collector out of a batch.

It would walk thousands of rows, which have no cycles (measured: docs/performance.md).
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Pause the collector; of several batches at once, the one that switched it off switches it on again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
