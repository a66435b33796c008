"""Documents of a file."""

import json
import math
from decimal import Decimal

import pytest

from cdc.core.errors import FatalError
from cdc.modelling import document_file
from cdc.modelling.document_file import read_documents

DOCUMENTS = [{"id": str(number), "text": "é" * number, "n": number / 8} for number in range(40)]


def write(tmp_path, content):
    """Write a file, of text or of bytes."""
    path = tmp_path / "orders.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    "content",
    [
        json.dumps(DOCUMENTS),
        json.dumps(DOCUMENTS, indent=1, ensure_ascii=False),
        "\ufeff" + "\r\n".join(map(json.dumps, DOCUMENTS)) + "\r\n\r\n",
    ],
)
def test_an_array_and_one_document_a_line(tmp_path, monkeypatch, content, chunk):
    """However the file falls into chunks."""
    monkeypatch.setattr(document_file, "_CHUNK", chunk)

    assert list(read_documents(write(tmp_path, content))) == DOCUMENTS


@pytest.mark.parametrize("content", ["", "  \n", "[]", "[ ]\n"])
def test_a_file_without_documents(tmp_path, content):
    """Is none of the errors."""
    assert list(read_documents(write(tmp_path, content))) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"id": "SECRET"}', "no JSON in or after line 1"),
        ('{"id": "1"}\n{"id": SECRET}', "no JSON in or after line 2"),
        ('[{"id": "1"},]', "no JSON"),
        ('{"id": "1"}]', "no JSON"),
        ('[{"id": "1"}] {}', "no JSON"),
        ('[{"id": "1"}, "SECRET"]', "Item 2 of orders.json is no JSON object"),
        ("[" * 200_000, "nested too deep"),
        ('[{"id": "1"},\n{"id": ' + "7" * 5_000 + "}]", "near line 2, or a number there has too many digits"),
    ],
)
def test_what_is_no_list_of_documents_is_said_without_a_value(tmp_path, content, message):
    """The message says where, and quotes nothing."""
    with pytest.raises(FatalError, match=message) as caught:
        list(read_documents(write(tmp_path, content)))

    assert "SECRET" not in str(caught.value)


def test_a_missing_file_is_one_sentence(tmp_path):
    """And not a traceback."""
    with pytest.raises(FatalError, match=r"none\.json cannot be read"):
        list(read_documents(tmp_path / "none.json"))


def test_numbers_keep_their_digits_only_if_asked(tmp_path):
    """A mapper gets floats, as from Cosmos; a number that would fill the memory is infinite."""
    path = write(tmp_path, '{"a": 1234567890123456.78, "b": 1e999999999}')

    assert next(read_documents(path, exact=True)) == {"a": Decimal("1234567890123456.78"), "b": math.inf}
    assert type(next(read_documents(path))["a"]) is float


def test_bytes_that_are_no_utf_8_become_lone_surrogates(tmp_path):
    """As in what the engine reads from Cosmos."""
    assert next(read_documents(write(tmp_path, b'{"a": "\xff"}'))) == {"a": "\udcff"}
