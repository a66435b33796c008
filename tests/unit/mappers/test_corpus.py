"""Thousands of documents of every generation are mapped, and always to the same rows."""

import json
from collections import Counter

import pytest

from cdc.core.mapping import ObservationKind
from cdc.core.writes import map_change
from mappers import EXTRA_MAPPERS, MAPPERS
from tests.builders import a_change
from tests.corpus import CONTAINERS, corpus

BY_CONTAINER = {mapper.container: mapper for mapper in (*MAPPERS, *EXTRA_MAPPERS)}


@pytest.fixture(scope="module")
def documents():
    """Five thousand documents and more, each with its mapper."""
    return [(BY_CONTAINER[container], body) for container, body in corpus(seed=20251108, count=6_000)]


def test_a_legal_document_is_never_parked(documents):
    """Whatever the application may have written becomes rows, or none on purpose."""
    problems = Counter()
    for mapper, body in documents:
        problem = map_change(mapper, a_change(container=mapper.container, body=body)).problem
        if problem is not None:
            problems[mapper.container, problem.path, problem.message] += 1

    assert problems == {}


def test_the_same_document_has_the_same_rows(documents):
    """Mapping is a function of the document alone: not of what was mapped before, nor of JSON's way there and back."""
    for mapper, body in documents:
        rows = mapper.map(body)

        assert mapper.map(json.loads(json.dumps(body))) == rows
        assert mapper.map(dict(reversed(body.items()))).root == rows.root


def test_a_document_is_left_as_it_was(documents):
    """Mapping changes nothing in the document, which its neighbours in the engine still read."""
    for mapper, body in documents:
        before = json.dumps(body)
        mapper.map(body)

        assert json.dumps(body) == before


def test_the_corpus_has_everything(documents):
    """Every container and both type markers, rows and none, and every kind of observation."""
    rows = [mapper.map(body) for mapper, body in documents]
    kinds = Counter(seen.kind for each in rows for seen in each.observations)

    assert len(documents) >= 5_000
    assert Counter(mapper.container for mapper, _ in documents).keys() == set(CONTAINERS) <= BY_CONTAINER.keys()
    assert min(kinds[kind] for kind in ObservationKind) > 100
    assert {True, False} == {each.root is None for each in rows}
    assert {True, False} == {"Discriminator" in body for _, body in documents}
    assert {True, False} == {"|" in body["id"] for _, body in documents}
