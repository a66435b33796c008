"""The sample: the same for the same seed, of every generation, and every kind of change happens."""

import json

import pytest

from local.sample import CONTAINERS, PARTITION_KEYS, Sample


def _write(seed):
    sample = Sample(seed)
    documents = [json.dumps(document) for document in sample.create(50)]
    changes = [json.dumps(sample.change()) for _ in range(50)]
    return documents + changes + [json.dumps(sample.delete()), json.dumps(sample.poison())]


def _changed(container, mix, changes=400):
    """Yield the documents of one container before and after each of many changes."""
    sample = Sample(1, containers=[container], mix=mix)
    list(sample.create(20))
    for _ in range(changes):
        before = {document["id"]: json.dumps(document) for _, document in sample.documents}
        _, after = sample.change()
        yield json.loads(before[after["id"]]), json.loads(json.dumps(after))


def test_documents_changes_and_deletes_depend_on_the_seed_alone():
    """Write twice with one seed, and once with another."""
    assert _write(1) == _write(1)
    assert _write(1) != _write(2)


def test_the_documents_of_a_container_do_not_depend_on_which_others_are_written():
    """An extra container adds its documents and changes no other."""
    with_signups = list(Sample(1, containers=PARTITION_KEYS).create(200))
    without = list(Sample(1).create(150))

    assert [document for document in with_signups if document[0] in CONTAINERS][:150] == without
    assert {container for container, _ in with_signups} == set(PARTITION_KEYS)
    assert {container for container, _ in without} == set(CONTAINERS)


@pytest.mark.parametrize(
    ("generation", "is_of_it"),
    [
        ("A", lambda document: "|" in document["id"] and "Discriminator" in document and "$type" not in document),
        ("B", lambda document: document["Id"] == document["id"] and "$type" in document),
        (
            "C",
            lambda document: not {"Id", "Discriminator", "UpdatedBy"} & document.keys() and len(document["id"]) >= 32,
        ),
        ("D", lambda document: len(document["id"]) == 26 and "$type" in document),
    ],
)
def test_a_mix_of_one_generation_writes_that_generation_alone(generation, is_of_it):
    """Keys and type markers are those of the generation."""
    documents = [document for _, document in Sample(1, containers=PARTITION_KEYS, mix={generation: 1}).create(200)]

    assert all(map(is_of_it, documents))


def test_the_default_mix_holds_every_generation():
    """A key with a type, a key held twice, the key alone, and the sortable key all occur."""
    documents = [document for _, document in Sample(1).create(400)]

    assert any("Discriminator" in document for document in documents)
    assert any(document.get("Id") == document["id"] for document in documents)
    assert any(len(document["id"]) == 36 and "Id" not in document for document in documents)
    assert any(len(document["id"]) == 26 for document in documents)


def test_an_early_account_saved_by_a_newer_application_keeps_its_old_properties():
    """Both type markers and both external identities stand in it then."""
    saved = [after for before, after in _changed("Accounts", {"A": 1}) if "$type" not in before and "$type" in after]

    assert saved
    for account in saved:
        assert account["Discriminator"] == account["$type"] == "Account"
        assert account["Auth0UserId"] != account["ExternalUserId"]


def test_a_session_gains_choices_is_paused_ended_and_anonymised():
    """Each happens to some session."""
    pairs = list(_changed("GameSessions", {"C": 1}))

    assert any(len(after["ChoiceHistory"]) > len(before["ChoiceHistory"]) for before, after in pairs)
    assert any(not before["IsPaused"] and after["IsPaused"] for before, after in pairs)
    assert any(before["EndTime"] is None and after["EndTime"] for before, after in pairs)
    anonymised = [after for before, after in pairs if before["PlayerNames"] and not after["PlayerNames"]]
    assert anonymised
    assert not any(item["PlayerAssignment"] for session in anonymised for item in session["CharacterAssignments"])


def test_generation_d_deletes_softly_and_takes_it_back():
    """The document stays, and says that it is deleted."""
    pairs = list(_changed("GameSessions", {"D": 1}))

    assert any(not before["IsDeleted"] and after["IsDeleted"] for before, after in pairs)
    assert any(before["IsDeleted"] and not after["IsDeleted"] for before, after in pairs)


def test_a_deleted_document_is_never_changed_again():
    """It is chosen from those that are there, and taken out."""
    sample = Sample(1)
    list(sample.create(20))
    deleted = [sample.delete()[1]["id"] for _ in range(10)]

    assert len(set(deleted)) == 10
    assert not {sample.change()[1]["id"] for _ in range(200)} & set(deleted)
