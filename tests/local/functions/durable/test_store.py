"""Check that hosts can share a file of state from its first moment on."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.functions.durable.store import Store
from local.functions.errors import HostError
from local.patience import PATIENCE_SECONDS


def test_hosts_that_start_together_on_new_state_wait_for_each_other(tmp_path):
    """Open files that do not exist yet from four threads at once."""
    for number in range(20):
        path = tmp_path / str(number) / "hub.sqlite"
        start = threading.Barrier(4)

        def open_store(path=path, start=start):
            start.wait(PATIENCE_SECONDS)
            store = Store(path)
            found = store.all()
            store._connection.close()
            return found

        with ThreadPoolExecutor(4) as hosts:
            opened = [hosts.submit(open_store) for _ in range(4)]
        assert [each.result() for each in opened] == [[]] * 4


def test_state_that_cannot_be_kept_is_refused_with_its_place(tmp_path):
    """Give a file where a folder is needed."""
    (tmp_path / "file").touch()

    with pytest.raises(HostError, match=f"cannot be kept in {tmp_path}/file/hub.sqlite: "):
        Store(tmp_path / "file" / "hub.sqlite")
