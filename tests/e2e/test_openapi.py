"""Whatever is sent to the app, it answers as its OpenAPI document says. CASES=1000 sends that many requests."""

import os
from collections.abc import Mapping

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cdc.api.openapi import write_document
from local.sample import Source
from local.stack import Part
from tests.builders import an_account
from tests.e2e.conftest import count_applied, wait_until

CASES = int(os.environ.get("CASES", "60"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = write_document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture
def filled(source: Source, settings: Mapping[str, str], host: Part) -> Part:
    """A host whose database has a document and a dead letter."""
    source.write("Accounts", an_account("a"))
    source.write("Accounts", an_account("b", Email=None))
    wait_until(lambda: count_applied(settings["POSTGRES_CONNECTION"]) == 1, "the document is there")
    return host


@pytest.mark.timeout(max(600, CASES))
def test_every_answer_is_documented(filled: Part) -> None:
    """No 5xx, and no status, type or shape that the document does not have: requests that fit it, and that do not."""
    operations = [result.ok() for result in SCHEMA.get_all_operations()]
    answered: set[tuple[str, int]] = set()

    @settings(
        max_examples=-(-CASES // len(operations)),
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def send(operation: APIOperation, data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from(list(schemathesis.GenerationMode)))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        headers = {"x-functions-key": "key"} if data.draw(st.integers(0, 19)) else {}
        response = case.call(base_url=filled.url, headers=headers)
        case.validate_response(response, checks=CHECKS)
        answered.add((operation.label, response.status_code))

    for operation in operations:
        send(operation)

    assert {label for label, _ in answered} == {operation.label for operation in operations}
    if CASES >= 1_000:
        assert {200, 202, 400, 401, 404} <= {status for _, status in answered}
