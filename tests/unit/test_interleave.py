"""Pieces go through their steps like a convoy: each is a step behind the one before it."""

from cdc.sink import interleave


def test_older_pieces_go_first_and_the_next_is_asked_for_when_all_have_moved():
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
        *("make b", ("a", 1), ("b", 0), "sent"),
        *("make c", ("a", 2), ("b", 1), ("c", 0), "sent"),
        *(("b", 2), ("c", 1), "sent"),
        *(("c", 2), "sent"),
        "sent",
    ]
