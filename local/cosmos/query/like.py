"""Match texts with the patterns of LIKE, which are those of T-SQL."""

import re
from collections.abc import Iterator
from functools import lru_cache

NOTHING = "(?!)"


def matches(text: str, pattern: str, escape: str = "") -> bool:
    """Tell whether a whole text matches a pattern."""
    return _compiled(pattern, escape).fullmatch(text) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str, escape: str) -> re.Pattern[str]:
    parts = [""]
    signs = iter(pattern)
    for sign in signs:
        if sign == escape:
            parts[-1] += re.escape(next(signs, ""))
        elif sign == "%":
            parts.append("")
        elif sign == "[":
            parts[-1] += _character_class(signs, escape)
        else:
            parts[-1] += "." if sign == "_" else re.escape(sign)
    if len(parts) == 1:
        return re.compile(parts[0], re.DOTALL)
    # Each part between two % may stand where it first fits, so no other place is ever tried again.
    between = "".join(f"(?>.*?{part})" for part in parts[1:-1] if part)
    return re.compile(f"{parts[0]}{between}.*{parts[-1]}", re.DOTALL)


def _character_class(signs: Iterator[str], escape: str) -> str:
    members: list[tuple[str, bool]] = []
    for sign in signs:
        if sign == escape:
            members.append((next(signs, ""), True))
        elif sign == "]":
            return _one_of(members)
        else:
            members.append((sign, False))
    return NOTHING  # never closed


def _one_of(members: list[tuple[str, bool]]) -> str:
    negated = members[:1] == [("^", False)]
    rest = members[1:] if negated else members
    ranges: list[str] = []
    at = 0
    while at < len(rest):
        first = last = rest[at][0]
        if rest[at + 1 : at + 2] == [("-", False)] and at + 2 < len(rest):
            last = rest[at + 2][0]
            at += 2
        if first <= last:
            ranges.append(f"{re.escape(first)}-{re.escape(last)}")
        at += 1
    if not ranges:
        return "." if negated else NOTHING
    return f"[{'^' if negated else ''}{''.join(ranges)}]"
