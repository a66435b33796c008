"""What is wrong with a document, or odd, is said without quoting it."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.core.writes import map_change
from mappers import EXTRA_MAPPERS, MAPPERS
from tests.builders import a_change
from tests.golden import name_file, read_bases

MARKER = "Lerato-4711"
ALL = (*MAPPERS, *EXTRA_MAPPERS)
FILES = {mapper: name_file(mapper, ALL) for mapper in ALL}
SAMPLES = {mapper: read_bases(name)["sample"].document for mapper, name in FILES.items()}
wrong_values = st.recursive(
    st.sampled_from(
        [MARKER, f"{MARKER}\0", f"2026-13-45T{MARKER}", f"{MARKER},{MARKER}\0", 4711.5, 10**30, True, None]
    ),
    lambda inner: st.lists(inner, min_size=1, max_size=2) | st.dictionaries(st.sampled_from([MARKER, "Id"]), inner),
    max_leaves=3,
)


def paths(value, path=()):
    """Return every place in a JSON value, the value itself left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


@pytest.mark.parametrize("mapper", ALL, ids=FILES.get)
@given(data=st.data())
def test_a_problem_never_quotes_the_value(mapper, data):
    """Whatever stands anywhere in a document, its problem and what was observed in it do not contain it."""
    body = copy.deepcopy(SAMPLES[mapper])
    *parents, last = data.draw(st.sampled_from(list(paths(body))))
    target = body
    for name in parents:
        target = target[name]
    target[last] = data.draw(wrong_values)

    write = map_change(mapper, a_change(container=mapper.container, body=body))

    assert not [seen for seen in write.rows.observations if "4711" in seen.path or not seen.path.startswith("$")]
    problem = write.problem
    if problem is not None:
        assert "4711" not in problem.path + problem.message
        assert problem.path.startswith("$")
        assert problem.message
