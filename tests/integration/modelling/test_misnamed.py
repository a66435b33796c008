"""Names that are errors of typing: `init` says what to write instead, and writes nothing."""

import json

import psycopg
import pytest

from tests.commands import run_command


@pytest.fixture
def folder(tmp_path):
    """A folder with the profile of some accounts."""
    documents = [{"id": f"a{number}", "accountId": f"a{number}", "size": number} for number in range(12)]
    (tmp_path / "accounts.json").write_text(json.dumps(documents), encoding="utf-8")
    assert run_command("profile", "--json", "accounts.json", folder=tmp_path, settings={}).returncode == 0
    return tmp_path


def refuse(folder, *arguments, **settings):
    """Return what a refused command says."""
    before = sorted(folder.rglob("*"))
    done = run_command("init", *arguments, folder=folder, settings=settings)
    assert (done.returncode, done.stdout, sorted(folder.rglob("*"))) == (1, "", before)
    return done.stderr


@pytest.mark.parametrize("named", [(), ("--container", "accounts"), ("--container", "ACCOUNTS")])
def test_a_container_that_differs_by_capitals_from_one_that_has_mappers(folder, named):
    """The name of the file is the container's where none is named."""
    said = refuse(folder, *named, "--profile", "accounts.profile.json")

    assert "There are mappers of Accounts" in said
    assert "name it Accounts" in said


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("/accountID", "name it /accountId"),
        ("/account_id", "name it /accountId"),
        ("/accountId,/sizes", "leave --partition-key out"),
        ("accountid/inner", "name it /accountId"),
    ],
)
def test_a_partition_key_that_no_document_has(folder, path, remedy):
    """Capitals and underscores count."""
    said = refuse(folder, "--container", "Things", "--profile", "accounts.profile.json", "--partition-key", path)

    assert remedy in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--table", "accounts"), "public.accounts is a table of the mappers of Accounts"),
        (("--table", "things", "--table", "public.things"), "public.things is named twice"),
        (("--table", "parents"), "public.completed_scenarios is a table of the mappers of Accounts"),
    ],
)
def test_a_table_that_is_written_already(folder, empty_dsn, arguments, words):
    """Of two mappers, the package could not be imported any more; also a table below the named one counts."""
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(
            "create table accounts (id text primary key); create table things (id text primary key);"
            "create table parents (id text primary key);"
            "create table completed_scenarios (id text references parents, n int, primary key (id, n))"
        )

    assert words in refuse(folder, "--container", "Things", *arguments, POSTGRES_CONNECTION=empty_dsn)
