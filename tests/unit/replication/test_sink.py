"""Pieces go through their steps like a convoy: each is a step behind the one before it."""

from cdc.replication.sink import interleave


def test_a_piece_begins_before_older_ones_go_on_and_the_next_is_asked_for_when_all_have_moved():
    """While a piece is made, the answers to one step of each piece under way are awaited, and no piece overtakes."""
    trace = []

    def steps(piece):
        for step in range(3):
            trace.append((piece, step))
            yield

    def pieces():
        for piece in "abc":
            trace.append(f"make {piece}")
            yield steps(piece)

    interleave(pieces(), lambda: trace.append("sent"))

    assert trace == [
        *("make a", ("a", 0), "sent"),
        *("make b", ("b", 0), ("a", 1), "sent"),
        *("make c", ("c", 0), ("a", 2), ("b", 1), "sent"),
        *(("b", 2), ("c", 1), "sent"),
        *(("c", 2), "sent"),
        "sent",
    ]
