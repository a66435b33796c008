"""The campaign of the cut-over in small, and that its checks would find what is wrong."""

from campaigns.cutover import play


def test_whatever_breaks_the_cut_over_ends_with_one_authoritative_side():
    """`python -m campaigns cutover` with fewer documents and faults."""
    said = []

    result = play(4, 2, 30, said.append)

    assert result.differences == [], said
    assert 1 < result.faults <= 3
    assert result.stray >= 5
