"""Say after which row a query's next page begins, so that neither writes nor splits move it."""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from local.cosmos import errors, rid, values
from local.cosmos.query.rows import Place
from local.cosmos.values import UNDEFINED

TOKEN = re.compile(
    r"[+-]RID:~(?P<rid>[^#]+)(?:#EPK:(?P<low>\w*)-(?P<high>\w+)#TRC:(?P<taken>\d+)#ROW:(?P<index>\d+)#KEY:(?P<keys>.+))?"
)


@dataclass(frozen=True, slots=True)
class Position:
    """Hold the last row's place, the range that it was read from, and how many rows there were up to it."""

    place: Place
    low: str
    high: str
    taken: int

    @classmethod
    def read(cls, token: str, container_rid: str, keys: int) -> "Position | None":
        """Read a continuation back for a query that sorts by so many keys."""
        invalid = errors.bad_request(f"The continuation {token!r} is invalid.")
        match = TOKEN.match(token)
        if match is None:
            raise invalid
        try:
            number = rid.document_number(match["rid"])
            if rid.of_document(container_rid, number) != match["rid"]:
                return None  # another container's: the service begins at the beginning
            taken, element = int(match["taken"]), int(match["index"])
            found = [
                each[0] if each else UNDEFINED for each in json.loads(base64.urlsafe_b64decode(match["keys"] or ""))
            ]
        except (TypeError, ValueError) as error:
            raise invalid from error
        if len(found) != keys:
            raise invalid
        place = Place(number, element, tuple(found))
        return cls(place, match["low"], match["high"], taken)

    def write(self, container_rid: str) -> str:
        """Write the continuation."""
        keys: list[list[Any]] = [[] if key is UNDEFINED else [key] for key in self.place.keys]
        packed = base64.urlsafe_b64encode(values.render(keys)).decode()
        document = rid.of_document(container_rid, self.place.number)
        return f"+RID:~{document}#EPK:{self.low}-{self.high}#TRC:{self.taken}#ROW:{self.place.element}#KEY:{packed}"
