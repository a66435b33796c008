"""Files of documents for the local stack: read whole, or refused in one sentence that quotes nothing."""

import pytest

from local.documents import DocumentsError, Import, Kept, read_documents

FILES = [
    '[{"id": "a", "_ts": 1}, {"id": "b"}]',
    '{"id": "a"}\n\n{"id": "b", "_etag": "x"}\n',
    '\ufeff[{"id":"a"},{"id":"b"}]',
]


@pytest.mark.parametrize("text", FILES)
def test_an_array_or_one_document_a_line(tmp_path, text):
    """What Cosmos itself wrote into a document is left out."""
    path = tmp_path / "orders.json"
    path.write_text(text, encoding="utf-8")

    assert read_documents(path) == [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize("text", ["[1]", '[{"id": 7}]', '[{"name": "Thandi"}]', '{"id": "Thandi"', "Thandi"])
def test_another_file_is_refused(tmp_path, text):
    """The message names the file, and nothing in it."""
    path = tmp_path / "orders.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(DocumentsError, match=r"orders\.json") as caught:
        read_documents(path)

    assert "Thandi" not in str(caught.value)


def test_a_file_names_its_container():
    """Only where there is one container, the name may be left out."""
    assert Import.read("a.json", ["Orders"]).container == "Orders"
    assert Import.read("Lines=a.json", ["Orders", "Lines"]).container == "Lines"
    with pytest.raises(DocumentsError, match=r"--import Orders=a\.json"):
        Import.read("a.json", ["Orders", "Lines"])
    with pytest.raises(DocumentsError, match="Lines is none of the containers"):
        Import.read("Lines=a.json", ["Orders"])
    with pytest.raises(DocumentsError, match="--container"):
        Import.read("a.json", [])


def test_an_empty_folder_keeps_nothing_yet(tmp_path):
    """The first run may name a folder that is not there."""
    kept = Kept(tmp_path / "none")

    assert (dict(kept.containers), list(kept.imports)) == ({}, [])
