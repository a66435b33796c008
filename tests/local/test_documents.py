"""Files of documents for the local stack: read whole, or refused in one sentence that quotes nothing."""

import pytest

from local.documents import DocumentsError, Import, Kept, find_odd_keys, read_documents

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


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("/branchId", []),
        ("/branchid", ["No document of Loans has the partition key /branchid. They have /branchId."]),
        ("/at/Shelf", ["No document of Loans has the partition key /at/Shelf. They have /at/shelf."]),
        ("/branchId,/at/shelf", []),
        ("/branchId,/AT/shelf", ["No document of Loans has the partition key /AT/shelf. They have /at/shelf."]),
        (
            "/branch",
            ["No document of Loans has the partition key /branch. They all get the same key, which is undefined."],
        ),
    ],
)
def test_a_partition_key_that_no_document_has_is_told(key, said):
    """With the path that differs by capitals alone, if there is one; a value that is null is there, too."""
    documents = [{"id": "a", "at": 7}, {"id": "b", "branchId": None, "BRANCHID": "x", "at": {"shelf": 1}}]

    assert list(find_odd_keys("Loans", key, documents)) == said


def test_without_documents_every_partition_key_is_right():
    """They may come later."""
    assert list(find_odd_keys("Loans", "/branchId", [])) == []


def test_an_empty_folder_keeps_nothing_yet(tmp_path):
    """The first run may name a folder that is not there."""
    kept = Kept(tmp_path / "none")

    assert (dict(kept.containers), list(kept.imports)) == ({}, [])
