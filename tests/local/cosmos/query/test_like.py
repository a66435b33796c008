"""LIKE knows the wildcards of T-SQL."""

import time

import pytest

from local.cosmos.query import like


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("abc", "abc", True),
        ("abcd", "abc", False),
        ("abc", "a_c", True),
        ("a\nc", "a_c", True),
        ("abc", "%b%", True),
        ("abc", "%", True),
        ("", "%%", True),
        ("ab", "a.", False),
        ("Brown", "[A-M]%", True),
        ("Norton", "[A-M]%", False),
        ("Norton", "[^A-M]%", True),
        ("20%", "20[%]", True),
        ("20x", "20[%]", False),
        ("_n", "[_]n", True),
        ("[", "[[]", True),
        ("]", "]", True),
        ("c", "[abc]", True),
        ("-", "[a-]", True),
        ("b", "[a-]", False),
        ("^", "[a^]", True),
        ("\\", "[\\]", True),
        ("x", "[]", False),
        ("x", "[^]", True),
        ("b", "[c-a]", False),
        ("[ab", "[ab", False),
        ("xaxbxbx", "%a%b%b%", True),
        ("abab", "%ab", True),
        ("aab", "a%ab", True),
        ("ab", "ab%ab", False),
    ],
)
def test_wildcards(text: str, pattern: str, expected: bool) -> None:
    """A class may hold a set, a range, or what it is not; a bracket that is never closed matches nothing."""
    assert like.matches(text, pattern) is expected


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("30%", "30!%", True),
        ("30x", "30!%", False),
        ("a!b", "a!!b", True),
        ("[x]", "![x]", True),
        ("]", "[!]]", True),
    ],
)
def test_escaped_wildcards(text: str, pattern: str, expected: bool) -> None:
    """The escape character makes the next one plain, also within brackets."""
    assert like.matches(text, pattern, "!") is expected


def test_many_wildcards_take_no_time() -> None:
    """A pattern cannot make the server try every way to divide a text."""
    begun = time.process_time()

    assert like.matches("a" * 5000, "%a" * 20 + "%b") is False
    assert time.process_time() - begun < 1
