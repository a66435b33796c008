"""The rehearsal reads everything, writes no row, and says what a run would refuse."""

import pytest

from cdc.core.errors import ConflictError, FatalError
from cdc.cutover.rules import BrokenRuleError
from cdc.cutover.steps import RefusedError
from cdc.operations.readiness import ReadinessCheck
from tests.builders import an_account

EVERYTHING = """
    select (select jsonb_agg(a order by id) from accounts a), (select jsonb_agg(d order by key) from cdc.document d),
        (select count(*) from pg_index), (select count(*) from pg_constraint), (select jsonb_agg(p) from cdc.phase p)
"""
UNIQUE = "create unique index ix_accounts_email on accounts (email)"
OTHER_CONTAINER = """
    update cdc.cutover set progress = jsonb_set(progress, '{containers,Accounts,rid}', '"other"')
"""
GONE = "delete from completed_scenarios where account_id = 'b'; delete from accounts where id = 'b'"
OTHER_COLUMN = """
    create unique index on accounts (email);
    alter table completed_scenarios add constraint fk_completed_scenarios_accounts
        foreign key (account_id) references accounts (email) not valid
"""
OFF = """
    alter table completed_scenarios add constraint fk_completed_scenarios_accounts
        foreign key (account_id) references accounts (id);
    alter table {} disable trigger all
"""
MAKE_OLD = """
    update cdc.cutover set started_at = started_at - interval '2 hours',
        progress = jsonb_set(progress, '{containers,Accounts,since}', to_jsonb(now() - interval '2 hours'))
"""
CONSTRAINT = "alter table completed_scenarios add constraint fk_completed_scenarios_accounts"


@pytest.mark.parametrize("sample", [0, 2, None])
def test_it_proves_every_key_and_values_and_changes_nothing(world, connection, sample):
    """The proof has the container, its line, and numbers; the forecast is the settle time and what the steps took."""
    before = connection.execute(EVERYTHING).fetchall()

    attempt = world.rehearsal.rehearse(sample)

    assert connection.execute(EVERYTHING).fetchall() == before
    proof = attempt.progress.containers["Accounts"]
    assert (proof.finished, proof.keys, proof.values) == (True, 3, 3 if sample is None else sample)
    assert proof.rid == world.accounts.origin.rid
    steps = ("drain", "changes", "rules", "counts")
    forecast = world.steps.settle_seconds + sum(attempt.progress.seconds[step] for step in steps)
    assert attempt.progress.forecast_seconds == pytest.approx(forecast)


def test_what_readiness_refuses_is_told_and_does_not_end_it(world):
    """It is some days before the night."""
    world.unready.append(ReadinessCheck(name="clean runs", passed=False, actual="3", required="at least 96"))

    assert world.rehearsal.rehearse(0).progress.unready == ["clean runs: 3"]
    assert any("would be refused: clean runs: 3" in line for line in world.report.write())


def test_a_missing_document_is_no_proof(world, connection):
    """It is looked at again after the settle time, and then it is drift."""
    connection.execute("""delete from cdc.document where id = '"b"'""")

    with pytest.raises(RefusedError, match="1 documents of Accounts differ"):
        world.rehearsal.rehearse(0)

    assert world.attempts.read_newest("rehearsal", ["completed"]) is None


def test_an_edited_row_is_no_proof(world, connection):
    """Only values tell."""
    connection.execute("update accounts set role = 'Admin' where id = 'b'")

    with pytest.raises(RefusedError, match="1 documents of Accounts differ"):
        world.rehearsal.rehearse(None)


def test_a_delete_that_has_not_arrived_is_usual(world):
    """The feed of latest versions does not report it; a reconcile finds it."""
    world.accounts.source.delete("Accounts", an_account("b"))

    attempt = world.rehearsal.rehearse(0)

    assert attempt.progress.containers["Accounts"].orphaned == 1
    assert any("1 deletes have not arrived yet" in line for line in world.report.write())


def test_it_drains_only_to_where_it_began(world, in_background):
    """The application writes on."""
    in_background(lambda: (world.write("a"), world.deliver()))

    assert world.rehearsal.rehearse(0).state == "running"  # as it was begun
    assert world.attempts.read_newest("rehearsal").state == "completed"


def test_interrupted_it_goes_on_where_it_stopped(world, monkeypatch):
    """Containers that are proven are not read again."""
    with monkeypatch.context() as patch:
        patch.setattr(type(world.rehearsal), "_time_changes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.rehearsal.rehearse(0)
    first = world.attempts.read_newest("rehearsal")
    assert first.state == "running"
    world.said.clear()

    again = world.rehearsal.rehearse(0)

    assert again.number == first.number
    assert not [what for step, what in world.said if step == "verify"]
    assert again.progress.containers["Accounts"].keys == 3


def interrupt(world, monkeypatch, sample):
    """Rehearse until every container is verified, and no further."""
    with monkeypatch.context() as patch:
        patch.setattr(type(world.rehearsal), "_time_changes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.rehearsal.rehearse(sample)


def test_what_was_proven_with_fewer_values_is_proven_again(world, connection, monkeypatch):
    """Who asks for every value must not get the sample of an interrupted rehearsal."""
    interrupt(world, monkeypatch, 0)
    connection.execute("update accounts set role = 'Admin' where id = 'b'")

    with pytest.raises(RefusedError, match="1 documents of Accounts differ"):
        world.rehearsal.rehearse(None)


def test_what_was_proven_too_long_ago_is_proven_again(world, connection, monkeypatch):
    """Once: the new proof is as young as it is, however old the attempt."""
    interrupt(world, monkeypatch, 0)
    connection.execute(MAKE_OLD)
    interrupt(world, monkeypatch, 0)
    world.said.clear()

    world.rehearsal.rehearse(0)

    assert not [what for step, what in world.said if step == "verify"]


def test_another_container_than_the_interrupted_one_is_proven_from_the_beginning(world, connection, monkeypatch):
    """A rehearsal that was interrupted before an adoption keeps nobody from rehearsing."""
    interrupt(world, monkeypatch, 0)
    connection.execute(OTHER_CONTAINER)

    attempt = world.rehearsal.rehearse(0)

    assert attempt.progress.containers["Accounts"].rid == world.accounts.origin.rid


def test_rows_that_are_gone_are_no_proof(world, connection):
    """A run would find them in the night."""
    connection.execute(GONE)

    with pytest.raises(RefusedError, match="1 documents of Accounts differ"):
        world.rehearsal.rehearse(0)


def test_rows_that_break_a_rule_are_found_days_before(world):
    """Only by SELECT."""
    world.write("d", Email="a@example.com")
    world.deliver()

    with pytest.raises(BrokenRuleError, match="2 rows break it"):
        world.rehearsal.rehearse(0)


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        ("create index ix_accounts_email on accounts (email)", "not unique"),
        ("create unique index ix_accounts_email on accounts (id)", r"it is on \(id\)"),
        ("create unique index ix_accounts_email on accounts (email, id)", r"it is on \(email, id\)"),
        (f"{UNIQUE} where id > 'a'", "partial"),
        ("create unique index ix_accounts_email on accounts (lower(email))", "partial"),
        ("create unique index ix_accounts_email on user_profiles (id)", "no unique index of this table"),
        ("create table ix_accounts_email (email text)", "no unique index of this table"),
        (
            f"{UNIQUE}; update pg_index set indisvalid = false where indexrelid = 'ix_accounts_email'::regclass",
            "not valid",
        ),
        (
            f"{CONSTRAINT} foreign key (account_id) references accounts (id) not valid",
            "it is not validated",
        ),
        (
            f"{CONSTRAINT} foreign key (account_id) references user_profiles (id) not valid",
            "no foreign key to the primary key of public.accounts",
        ),
        (
            OTHER_COLUMN,
            "no foreign key to the primary key of public.accounts",
        ),
        (
            OFF.format("completed_scenarios"),
            "switched off",
        ),
        (
            OFF.format("accounts"),
            "switched off",
        ),
        (
            f"{CONSTRAINT} check (account_id <> '')",
            "no foreign key to the primary key of public.accounts",
        ),
    ],
)
def test_a_rule_of_the_right_name_that_is_another_one_is_told(world, connection, spoiled, words):
    """`if not exists` would take it for ours."""
    connection.execute(spoiled)

    with pytest.raises(FatalError, match=words):
        world.rehearsal.rehearse(0)


def test_after_the_cut_over_there_is_nothing_to_rehearse(world):
    """Phase 3 is recorded."""
    world.rehearsal.rehearse(0)
    world.run.run()

    with pytest.raises(ConflictError, match="the cut-over is over"):
        world.rehearsal.rehearse(0)
