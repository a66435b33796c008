"""Say what a request costs in request units: more for more work, by round figures that no account was asked for."""

from local.cosmos.partition import Document

HEADER = "x-ms-request-charge"
KILOBYTE = 1024
READ_UNITS = 1.0
WRITE_UNITS = 5.29


def read(document: Document) -> dict[str, str]:
    """Charge for a point read."""
    return _header(read_units(document))


def write(document: Document) -> dict[str, str]:
    """Charge for a write or a delete."""
    return _header(write_units(document))


def total(units: float) -> dict[str, str]:
    """Charge for several things at once."""
    return _header(units)


def read_units(document: Document) -> float:
    """Price a read by the document's size."""
    return READ_UNITS * _kilobytes(document)


def write_units(document: Document) -> float:
    """Price a write by the document's size."""
    return WRITE_UNITS * _kilobytes(document)


def of_body(size: int) -> str:
    """Price an answer that names no charge by its size."""
    return f"{max(READ_UNITS, READ_UNITS * size / KILOBYTE):.2f}"


def _kilobytes(document: Document) -> float:
    return max(1.0, len(document.open_text) / KILOBYTE)


def _header(units: float) -> dict[str, str]:
    return {HEADER: f"{units:.2f}"}
