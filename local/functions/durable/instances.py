"""Model an orchestration instance."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

_LONGEST_ID = 256
_FORBIDDEN = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")


class Status(StrEnum):
    """Name the states of an instance as the client sees them."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing happens any more."""
        return self in {Status.COMPLETED, Status.FAILED, Status.TERMINATED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """Say which task of which execution waits for a sub-orchestration."""

    instance: str
    execution: str
    task: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """Hold an orchestration as it was last saved; input, output and custom status are JSON texts."""

    id: str
    execution: str
    name: str
    status: Status
    created: datetime
    updated: datetime
    input: str | None = None
    output: str | None = None
    custom_status: str | None = None
    version: str | None = None
    parent: Parent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Hold an event that waits for the next episode of an instance."""

    id: int
    event: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Hold an activity that has not ended."""

    id: int
    instance: str
    execution: str
    task: int
    name: str
    input: str


def find_fault(instance_id: str) -> str | None:
    """Say why a text cannot be the id of an instance."""
    if len(instance_id) > _LONGEST_ID:
        return f"Instance IDs must not exceed {_LONGEST_ID} characters."
    if _FORBIDDEN.search(instance_id):
        return "Instance IDs must not contain /, \\, #, ? or control characters."
    if instance_id.startswith("@"):
        return "Instance IDs must not begin with @."
    return None
