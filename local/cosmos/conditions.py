"""Check the etags that a request demands or rules out."""

from dataclasses import dataclass

from local.cosmos import errors


@dataclass(frozen=True, slots=True)
class Condition:
    """Hold what must be true of the version that is there."""

    match: str | None = None
    none_match: str | None = None

    def check(self, etag: str | None) -> None:
        """Raise 412 unless a version with this etag, or None for no version, may be written over."""
        if etag is None:
            return
        if self.match not in (None, "*", etag) or self.none_match in ("*", etag):
            raise errors.precondition_failed()


ALWAYS = Condition()
