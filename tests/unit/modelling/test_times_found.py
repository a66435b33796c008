"""What `init` decides about times: what is none, what means never, and what names no zone."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdc.core.writes import map_change
from cdc.modelling.page_text import write_page
from tests.builders import a_change, by_column
from tests.unit.modelling.generated import check_golden, load
from tests.unit.modelling.test_init_choices import EPOCH, design, table, types, with_odd


@pytest.mark.parametrize("odd", [0, EPOCH // 1000, 915_148_800_000])
def test_a_number_that_is_no_time_among_milliseconds_is_parked(odd, monkeypatch):
    """It would be a time near 1970 that nobody wrote; one of the last century is a time."""
    documents = with_odd("createdAt", lambda n: EPOCH + n, odd)
    designed = design(documents)

    assert types(designed)["created_at"] == "timestamptz"
    assert not table(designed, "things").all_columns[1].nullable
    assert "**`$.createdAt`: at most 1 document will be parked**" in write_page(designed)
    mappers = load(monkeypatch, designed)
    assert ("Thing", "created_at_too_early") in check_golden(designed, mappers)
    found = [map_change(mappers["Thing"], a_change(container="Things", body=each)) for each in documents]
    problems = [each.problem and each.problem.message for each in found]
    is_time = odd > EPOCH // 2
    assert problems == [None if is_time else "must be a time since 1971: is the number in another unit?"] + [None] * 120


@pytest.mark.parametrize("odd", [0, EPOCH])
def test_a_number_that_is_no_time_among_seconds_is_parked(odd, monkeypatch):
    """It decides no column, as among milliseconds."""
    documents = with_odd("createdAt", lambda n: EPOCH // 1000 + n, odd)
    designed = design(documents)
    mappers = load(monkeypatch, designed)
    found = [map_change(mappers["Thing"], a_change(container="Things", body=each)) for each in documents]

    check_golden(designed, mappers)
    assert types(designed)["created_at"] == "timestamptz"
    assert [number for number, each in enumerate(found) if each.problem] == [0]
    assert types(design(with_odd("size", lambda n: EPOCH // 1000 + n, odd)))["size"] == "bigint" if odd else "integer"


@pytest.mark.parametrize(("first", "is_null"), [("0001-01-01", True), ("9999-12-31", False), ("1900-01-01", False)])
def test_a_day_that_dotnet_writes_for_never_is_null(first, is_null, monkeypatch):
    """As an instant is; the last day may mean for ever."""
    days = [first, *(f"2026-01-{n % 28 + 1:02}" for n in range(60))]
    documents = [
        {"id": str(n), "CheckedAt": f"2026-01-09T15:20:31.{n:07}Z", "BuiltOn": day} for n, day in enumerate(days)
    ]
    designed = design(documents)
    (type_,) = designed.types
    mappers = load(monkeypatch, designed)
    check_golden(designed, mappers)

    assert {column.name: column.nullable for column in type_.root.columns}["built_on"] is is_null
    assert ("`built_on` of `things`: 1 value of the year 1" in write_page(designed)) is is_null
    mapper = mappers["Thing"]
    rows = map_change(mapper, a_change(container="Things", body=documents[0])).rows
    assert (by_column(mapper, rows).root["built_on"] is None) is is_null


@pytest.mark.parametrize(
    ("wall", "other", "sql"),
    [
        ("2026-01-09T14:15:00", "2026-01-09T15:20:31Z", "timestamp"),
        ("2026-01-09T14:15:00", "2026-01-09T15:20:31.8123456+02:00", "timestamp"),
        ("2026-01-09T14:15:00", "2026-01-09T15:20:31", "timestamptz"),
        ("2026-01-09T14:15:00Z", "2026-01-09T15:20:31Z", "timestamptz"),
    ],
)
def test_a_time_that_never_has_a_zone_where_others_have_one_stays_without(wall, other, sql, monkeypatch):
    """A wall clock's time is of a zone that nobody wrote; where no time has one, all are UTC."""
    unset = [{"id": str(n), "bookedFor": "0001-01-01T00:00:00", "madeAt": other} for n in range(20)]
    assert types(design(unset))["booked_for"] == "timestamptz"
    documents = [{"id": str(n), "bookedFor": wall, "madeAt": other} for n in range(20)]
    designed = design(documents)
    mappers = load(monkeypatch, designed)

    check_golden(designed, mappers)
    assert types(designed)["booked_for"] == sql
    assert types(design(documents[:5]))["booked_for"] == "timestamptz"
    assert ("`$.bookedFor` names no zone" in write_page(designed)) is (sql == "timestamp")


@pytest.mark.parametrize(
    ("times", "sql"),
    [
        (["2026-01-09 10:20:31.123456+00:00"], "timestamptz"),
        (["2026-01-09T10:20:31,5Z", "2026-01-09T10:20+0200"], "timestamptz"),
        (["2026-01-09T10:20:31z"], "text"),
        (["2026-01-09T10:20:31+25:00"], "text"),
        (["2026-02-28", "2026-02-30"], "text"),
        (["2026-02-30T10:20:31Z"], "text"),
        (["23:59:59", "-3.01:00:00", "1.00:00:00.1234567"], "interval"),
        (["36:15:00", "01:00:00"], "text"),
        (["0.01:15:00"], "text"),
        (["99999999.01:15:00"], "text"),
    ],
)
@pytest.mark.parametrize("other", ["2026-01-09T15:20:31Z", "2026-01-09T15:20:31.8123456Z"])
def test_a_field_reads_every_form_that_was_seen(times, sql, other, monkeypatch):
    """Also where .NET writes the other times, and would not read these."""
    documents = [{"id": str(n), "seenAt": times[n % len(times)], "at": other} for n in range(60)]
    designed = design(documents)
    mapper = load(monkeypatch, designed)["Thing"]

    check_golden(designed, {"Thing": mapper})
    assert types(designed)["seen_at"] == sql
    for body in documents:
        assert map_change(mapper, a_change(container="Things", body=body)).problem is None


def test_a_birth_date_that_dotnet_would_not_read_is_read(monkeypatch):
    documents = [
        {"id": str(n), "BirthDate": "2016-01-09 00:00:00", "At": "2026-01-09T15:20:31.8123456Z"} for n in range(20)
    ]
    designed = design(documents)
    mapper = load(monkeypatch, designed)["Thing"]

    assert map_change(mapper, a_change(container="Things", body=documents[0])).problem is None


_SEEN = (
    *("2026-01-09", "2026-02-30", "2026-01-09T15:20:31Z", "2026-01-09T15:20:31.8123456Z", "2026-01-09 15:20:31+00:00"),
    *("2026-01-09T15:20", "2026-01-09T15:20:31,5+0200", "0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999Z"),
    *(
        "01:02:03",
        "36:00:00",
        "1.02:03:04",
        "PT1H",
        "12.50",
        "12,50",
        "1e3",
        "7",
        "007",
        "x",
        "",
        "a,b",
        "true",
        '{"a": 1}',
    ),
    *("0b5c3bd4-8a0e-4b8c-9d0a-3f1e5a6b7c8d", "0b5c3bd48a0e4b8c9d0a3f1e5a6b7c8d", EPOCH, EPOCH // 1000, 0, -1, 2.5),
    *(2**40, 2**70, True, None, ["a"], [1, 2], [2.5], [None], [1, "a"], {"a": 1}, [{"id": "a"}, {"id": "a"}]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.lists(st.sampled_from(_SEEN), min_size=1, max_size=3), st.sampled_from(("at", "fees", "total", "birthDate")))
def test_what_was_seen_is_read(monkeypatch, seen, name):
    """`init` writes no field that refuses a value that is not rare."""
    documents = [{"id": str(n), "madeAt": _SEEN[3], name: seen[n % len(seen)]} for n in range(30)]
    designed = design(documents)
    mapper = load(monkeypatch, designed)["Thing"]

    problems = [map_change(mapper, a_change(container="Things", body=each)).problem for each in documents]
    assert [each and each.message for each in problems] == [None] * 30
