"""Send texts as bytes that are no UTF-8.

Clients have met such answers: https://github.com/Azure/azure-sdk-for-python/pull/47008
"""

from dataclasses import replace

from local.cosmos import values
from local.cosmos.container import Container

# Stands for the bytes in what is stored, and is replaced by them in every answer.
STAND_IN = "no-utf-8-9f1d6a0c5b7e4e52"
SPOILED = b"\xff\xfe\x80"


def spoil(container: Container, document_id: str, partition_key: str, name: str) -> None:
    """Replace one text of a document by such bytes, until the document is written again; its version stays."""
    key = container.definition.from_header(partition_key)
    document = container.read(key, document_id)
    if not isinstance(document.value.get(name), str) or name.startswith("_"):
        raise ValueError(f"the document has no text named {name!r}")
    value = {**document.value, name: STAND_IN}
    spoiled = replace(document, value=value, open_text=values.render(value)[:-1])
    container.partition_of(key.epk).rewrite(spoiled)


def spoiled(body: bytes) -> bytes:
    """Put the bytes into an answer."""
    return body.replace(STAND_IN.encode(), SPOILED)
