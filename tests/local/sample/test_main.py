"""Whoever waits for the sample sees that it goes on."""

from types import SimpleNamespace

from local.sample import Sample
from local.sample import __main__ as sample_main


class Taker:
    """A source that takes everything."""

    def write(self, container, document):
        """Take a document."""


def test_it_says_how_far_it_is(monkeypatch, capsys):
    """Not for each document, and at the end in any case."""
    moments = iter([0.0, 1.0, 2.5, 2.5, 3.0, 4.0])
    monkeypatch.setattr(sample_main, "time", SimpleNamespace(monotonic=lambda: next(moments)))

    sample_main._write(Sample(seed=1), Taker(), 4)

    assert capsys.readouterr().out.splitlines() == ["2 of 4 documents written ...", "4 documents written"]
