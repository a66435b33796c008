"""Random values as the application writes them; the same for the same seed."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

Document = dict[str, Any]
Generation = Literal["A", "B", "C", "D"]
GENERATIONS: tuple[Generation, ...] = get_args(Generation)

NEVER = "9999-12-31T23:59:59.9999999"
AXES = ("Self-Regulation", "Curiosity & Initiative", "Empathy", "Courage")
AGE_GROUPS = ("3-5", "6-9", "10-12", "13-18")
AVATARS = tuple(f"media/avatars/fox_{number:02}.png" for number in range(1, 21))

_EPOCH = datetime(2025, 12, 14, 8, 0, tzinfo=UTC)
_NAMES = ("Amara", "Björn", "Chidi", "Dineo", "Émile", "Fatima", "Lerato", "Mei", "Noa", "Sipho", "Thandi", "Zoë")
_SCENARIO_WORDS = ("bridge", "forest", "lantern", "harbour", "mountain", "orchard")


class Values:
    """Draws names, identities and moments; its clock only goes forward."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - sample data
        self._clock = _EPOCH

    def chance(self, probability: float) -> bool:
        """Tell whether something that happens this often happens now."""
        return self.random.random() < probability

    def name(self) -> str:
        """Return a first name."""
        return self.random.choice(_NAMES)

    def guid(self) -> str:
        """Return a GUID with dashes."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def id(self, generation: Generation) -> str:
        """Return a key: a GUID, or the sortable 26 digits of generation D."""
        if generation != "D":
            return self.guid()
        return f"{int(self._clock.timestamp() * 1000):012X}{self.random.getrandbits(56):014X}"

    def scenario(self) -> str:
        """Return a scenario's key: mostly a GUID, else words from a file, which may be long."""
        if self.chance(0.8):
            return self.guid()
        return "-".join(["the-noisy", *self.random.choices(_SCENARIO_WORDS, k=self.random.randint(1, 6))])

    def now(self) -> str:
        """Return the next moment with .NET's seven digits, trailing zeros cut off."""
        self._clock += timedelta(microseconds=self.random.randint(1, 60_000_000))
        fraction = f"{self._clock:.%f}{self.random.randint(0, 9)}" if self.chance(0.9) else ""
        return f"{self._clock:%Y-%m-%dT%H:%M:%S}{fraction.rstrip('0').rstrip('.')}Z"

    def time_span(self) -> str:
        """Return a TimeSpan; a game that was left open lasts days."""
        days = f"{self.random.randint(1, 3)}." if self.chance(0.05) else ""
        fraction = f".{self.random.randint(0, 9_999_999):07}" if self.chance(0.9) else ""
        hour, minute, second = (self.random.randint(0, most) for most in (2, 59, 59))
        return f"{days}{hour:02}:{minute:02}:{second:02}{fraction}"


def stamp(document: Document, type_name: str, generation: Generation) -> Document:
    """Return the document with the key and the type marker that a generation of the application writes."""
    key = document["id"]
    match generation:
        case "A":
            return {**document, "Id": key, "Discriminator": type_name, "id": f"{type_name}|{key}"}
        case "B":
            return {**document, "Id": key, "$type": type_name}
        case _:
            return {**document, "$type": type_name}


def key_of(document: Document) -> str:
    """Return the key that other documents refer to."""
    return str(document.get("Id", document["id"]))


def toggle_deleted(document: Document, now: str) -> None:
    """Delete softly, or take back, what only generation D can."""
    deleted = not document["IsDeleted"]
    document |= {"IsDeleted": deleted, "DeletedAt": now if deleted else None}
