"""Figures beside their goals, printed as a table and written as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured ratio; `at_most` or `at_least` is its goal, `parts` what it is made of."""

    key: str
    value: float
    at_most: float | None = None
    at_least: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Tell whether the goal is met; nothing where there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.value >= self.at_least if self.at_least is not None else None

    @property
    def goal(self) -> str | None:
        """Return the goal in words."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return f"at least {self.at_least:g}" if self.at_least is not None else None

    def to_json(self) -> dict[str, Any]:
        """Return what the JSON file holds under the figure's key."""
        parts = {name: round(value, 3) for name, value in self.parts.items()}
        return {"goal": self.goal, "value": round(self.value, 3), "met": self.met, "parts": parts}


def report(figures: Sequence[Figure], about: Mapping[str, Any], path: Path | None) -> None:
    """Print the figures, and write them where a path is given."""
    for figure in figures:
        verdict = {True: "met", False: "NOT MET", None: ""}[figure.met]
        parts = "  ".join(f"{name} {value:.2f}" for name, value in figure.parts.items())
        print(f"{figure.key:32} {figure.value:8.2f}  {figure.goal or '':14} {verdict:8} {parts}".rstrip())
    if path is not None:
        content = {**about, "figures": {figure.key: figure.to_json() for figure in figures}}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
