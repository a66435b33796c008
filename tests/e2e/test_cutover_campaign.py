"""The campaign of the cut-over in small, and that its checks would find what is wrong."""

from campaigns.cutover import play


def test_whatever_breaks_the_cut_over_ends_with_one_authoritative_side():
    """`python -m campaigns cutover` with fewer documents and faults."""
    said = []

    result = play(4, 3, 30, said.append)

    assert result.differences == [], said
    assert result.faults == 4
    assert result.stray >= 5
