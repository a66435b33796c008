"""Print infra/main.parameters.json with the variables of the environment in place of ${NAME=default}, as azd does."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

_INFRA = Path(__file__).parents[1]
_VARIABLE = re.compile(r"\$\{(\w+)(?:=([^}]*))?\}")
_TYPE = re.compile(r"^param (\w+) (\w+)", re.MULTILINE)


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with every variable filled in; those that must be set and are not end the program."""
    missing = [name for name, default in _find(text) if default is None and not variables.get(name)]
    if missing:
        sys.exit(f"Set {', '.join(missing)}: docs/deploying.md says what they are.")
    found = json.loads(_VARIABLE.sub(lambda match: variables.get(match[1]) or match[2] or "", text))
    types = dict(_TYPE.findall((_INFRA / "main.bicep").read_text(encoding="utf-8")))
    for name, parameter in found["parameters"].items():
        parameter["value"] = _convert(parameter["value"], types[name])
    return json.dumps(found, indent=2)


def _find(text: str) -> list[tuple[str, str | None]]:
    return [(match[1], match[2]) for match in _VARIABLE.finditer(text)]


def _convert(value: str, declared: str) -> object:
    """Azure takes no texts for numbers and truth values, and no numbers for texts."""
    if declared == "int" and value.isdecimal():
        return int(value)
    return {"true": True, "false": False}.get(value, value) if declared == "bool" else value


if __name__ == "__main__":
    print(fill((_INFRA / "main.parameters.json").read_text(encoding="utf-8"), os.environ))
