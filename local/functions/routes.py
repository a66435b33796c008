"""Match request paths against route templates."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

_CONSTRAINTS = {
    "alpha": r"[A-Za-z]+",
    "bool": r"(?i:true|false)",
    "guid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "int": r"-?\d+",
    "long": r"-?\d+",
}
_PARAMETER = re.compile(r"\{(?P<star>\*?)(?P<name>\w+)(?::(?P<constraint>\w+))?(?P<optional>\??)\}")


class RouteError(ValueError):
    """Say what this host cannot read in a route template."""


@dataclass(frozen=True, slots=True)
class Route:
    """Match the paths of one template."""

    template: str
    pattern: re.Pattern[str]
    # Literal segments win over constrained ones, these over free ones, and all over a catch-all.
    rank: tuple[int, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the route parameters of a path as sent, or nothing when it is another route."""
        found = self.pattern.fullmatch(path.strip("/"))
        if found is None:
            return None
        return {name: unquote(value) for name, value in found.groupdict().items() if value}


def parse(prefix: str, template: str) -> Route:
    """Read a template of literal segments, {name}, {name?}, {name:constraint} and {*name}."""
    full = "/".join(part for part in (prefix, template.strip("/")) if part)
    pattern, rank = "", []
    for segment in full.split("/"):
        parameter = _PARAMETER.fullmatch(segment)
        separator = "/" if pattern else ""
        if parameter is None:
            if "{" in segment or "}" in segment:
                raise RouteError(f"the segment {segment!r} of the route {template!r} is not supported")
            pattern += separator + f"(?i:{re.escape(segment)})"
            rank.append(0)
        else:
            optional = parameter["optional"] or parameter["star"]
            piece = f"{separator}{_parameter_pattern(parameter)}"
            pattern += f"(?:{piece})?" if optional else piece
            rank.append(3 if parameter["star"] else 1 if parameter["constraint"] else 2)
    return Route(full, re.compile(pattern), tuple(rank))


def _parameter_pattern(parameter: re.Match[str]) -> str:
    constraint = parameter["constraint"]
    if parameter["star"]:
        inner = ".*"
    elif constraint is None:
        inner = "[^/]+"
    elif constraint in _CONSTRAINTS:
        inner = _CONSTRAINTS[constraint]
    else:
        raise RouteError(f"the route constraint {constraint!r} is not supported")
    return f"(?P<{parameter['name']}>{inner})"
