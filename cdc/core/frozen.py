"""Values that only type checkers keep frozen.

Several of them are made for every document, and Python takes three times as long to make one that is frozen indeed.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(class_: type[_Class]) -> type[_Class]:
    """Make a dataclass of which only type checkers know that it is frozen."""
    return dataclass(slots=True, unsafe_hash=True)(class_)
