"""Dataclasses that are frozen for type checkers only.

Several are created for every document, and Python takes three times as long to create one that is frozen at runtime.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(class_: type[_Class]) -> type[_Class]:
    """Make a dataclass that only type checkers treat as frozen."""
    return dataclass(slots=True, unsafe_hash=True)(class_)
