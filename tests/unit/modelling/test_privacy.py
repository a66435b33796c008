"""No value of any document, and no key of a dictionary, is in what the command prints or writes."""

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc.command import main
from cdc.modelling import command, profile_text
from cdc.modelling.profile import Profile, Source
from cdc.modelling.profiler import Profiler
from tests.builders import an_account

SENTINEL = "Thandiwe"
NUMBER = 735_182
FORMS = st.sampled_from(
    [
        "{}",
        "{}@example.com",
        "https://example.com/{}",
        '{{"{}": 1}}',
        "{},{}",
        "{} \0",
        "{} \ud800",
        "+27 82 123 4567 {}",
        " {}\n",
        "2026-01-09T15:20:31Z {}",
    ]
)
TEXTS = st.builds(lambda form, n: form.replace("{}", f"{SENTINEL}{n}", 2), FORMS, st.integers(0, 10**6))
NUMBERS = st.one_of(
    st.integers(0, 9).map(lambda n: NUMBER * 10 + n),
    st.integers(0, 9).map(lambda n: NUMBER * 10**12 + n),
    st.integers(1, 9).map(lambda n: NUMBER + n / 10),
)
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())
NAMES = st.sampled_from(["a", "b", "Id", "name", "Email", "kebab-name", "$type", "kind", "Discriminator"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def dictionaries(draw, document):
    """Keys of the kinds that keys are: of people, of days, of ids; new ones in every document."""
    make = draw(
        st.sampled_from(
            [
                lambda n: f"{SENTINEL} {n}",
                lambda n: f"{SENTINEL}{document}x{n}",
                lambda n: f"2026-01-{n + 10} {SENTINEL}",
                lambda n: f"{SENTINEL}{n}@example.com",
                lambda n: f"{SENTINEL}_{document}{n}-4c9a-823b-584c1c9a1a0c",
            ]
        )
    )
    return {make(n): draw(st.integers(0, 5)) for n in range(draw(st.integers(3, 6)))}


@st.composite
def documents(draw):
    """Some documents, each with a dictionary at the same place."""
    found = draw(st.lists(st.dictionaries(NAMES, VALUES, max_size=6), min_size=6, max_size=12))
    keyed = draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found)))
    for number, (document, nested) in enumerate(zip(found, keyed, strict=True)):
        scores = {f"{SENTINEL}{number}q{n}": n for n in range(4)}
        document |= {"id": f"{SENTINEL}-{number}", "scores": scores, "by": {"day": draw(dictionaries(number))}}
        document["deep"] = [{"totals": scores}] if nested else []
    return found + [{"id": f"{SENTINEL}+{number}"} for number in range(20)]


@given(documents())
@settings(max_examples=40)
def test_no_value_and_no_key_of_a_dictionary_is_shown(found):
    """Whatever the documents hold."""
    profiler = Profiler(partition_key=["/a"])
    for document in found:
        profiler.see(document)
    built = profiler.build(Source(name="Orders", kind="container", read=0, complete=True))
    shown = profile_text.write(built) + built.write()

    assert "scores" in shown
    assert SENTINEL not in shown
    assert str(NUMBER) not in shown


@pytest.mark.parametrize("lines", [False, True])
def test_the_command_prints_and_writes_no_value(tmp_path, monkeypatch, capsys, lines):
    """Also in its errors: the last file is broken in the middle of a value."""
    found = [{"id": f"{SENTINEL}{n}", "email": f"{SENTINEL}@example.com", "total": NUMBER + n} for n in range(20)]
    path, broken = tmp_path / "orders.json", tmp_path / "broken.json"
    path.write_text("\n".join(map(json.dumps, found)) if lines else json.dumps(found))
    broken.write_text(path.read_text()[:-20])
    output = tmp_path / "profile.json"
    monkeypatch.setattr(sys, "argv", ["cdc", "profile", "--json", str(path), "--output", str(output)])
    assert main() == 0
    monkeypatch.setattr(sys, "argv", ["cdc", "profile", "--json", str(broken), "--output", str(output)])
    assert main() == 1

    said = capsys.readouterr()
    shown = said.out + said.err + output.read_text()
    assert "20 documents" in shown
    assert "broken.json is no JSON" in said.err
    assert SENTINEL not in shown
    assert str(NUMBER) not in shown


def test_ctrl_c_ends_the_reading_and_profiles_what_was_read(tmp_path, monkeypatch, capsys):
    """It is not called complete."""

    def read(path, *, exact):
        yield {"id": "1"}
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "read_documents", read)
    output = tmp_path / "profile.json"
    monkeypatch.setattr(sys, "argv", ["cdc", "profile", "--json", "orders.json", "--output", str(output)])

    assert main() == 0
    assert "orders: 1 documents\n" in capsys.readouterr().out
    assert not Profile.model_validate_json(output.read_text()).source.complete


def test_ctrl_c_ends_a_plan_that_is_then_not_green(tmp_path, monkeypatch, capsys):
    """What was read is planned, without a traceback: CI must not take it for the whole."""

    def read(path):
        yield an_account("a", Email="a@example.com")
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "read_documents", read)
    monkeypatch.setattr(sys, "argv", ["cdc", "plan", "Accounts", "--json", "accounts.json"])

    assert main() == 1
    said = capsys.readouterr()
    assert "Accounts: 1 documents; 1 rows of accounts" in said.out
    assert said.out.endswith("not green: not everything was read\n")
    assert "stopped: this is the plan of what was read until now" in said.err


def test_the_profile_of_a_file_may_have_the_name_of_its_container(tmp_path, monkeypatch):
    """So `init` needs no other option, and plan takes the same words."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dump.json").write_text('[{"id": "1"}]')
    monkeypatch.setattr(sys, "argv", ["cdc", "profile", "Orders", "--json", "dump.json"])

    assert main() == 0
    source = Profile.model_validate_json((tmp_path / "Orders.profile.json").read_text()).source
    assert (source.name, source.kind) == ("Orders", "file")
