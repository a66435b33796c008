"""The run refuses for a true reason, switches once, goes on after a crash, and loses nothing in between."""

import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import pytest

from cdc.config.settings import Phase
from cdc.core.errors import ConflictError, FatalError, TransientError, UnreadyError
from cdc.cutover.attempt import Proof
from cdc.cutover.rules import BrokenRuleError
from cdc.cutover.run import Run
from cdc.cutover.steps import RefusedError
from cdc.cutover.store import Attempts
from cdc.operations.readiness import ReadinessCheck
from cdc.postgres import forgotten, gate, rules
from cdc.postgres.database import Database
from tests.builders import an_account

TWO, THREE = Phase.DUAL_WRITE_POSTGRES_READ, Phase.POSTGRES_ONLY
IN_FORCE = """
    select indexrelid::regclass::text from pg_index
    where indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
      and indisunique and not indisprimary
    union select conname from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace
"""
RULES = {"ix_accounts_email", "fk_completed_scenarios_accounts"}


MAKE_OLD = """
    update cdc.cutover
    set progress = jsonb_set(progress, '{containers,Accounts,since}', to_jsonb(now() - interval '2 hours'))
"""


class Killed(BaseException):
    """What SIGKILL is to a process."""


def kill():
    """End the process here."""
    raise Killed


def find_rules(connection):
    """Return the rules that are in force."""
    return {name for (name,) in connection.execute(IN_FORCE)}


def test_a_rehearsed_cut_over_records_phase_3_with_its_proof(rehearsed, connection):
    """The history has what was verified; the rules are in force; the watch has its places; the pause was timed."""
    attempt = rehearsed.run.run()

    assert rehearsed.phase() is THREE
    newest = gate.read_changes(rehearsed.owner)[0]
    assert (newest.before, newest.phase, newest.override) == (TWO, THREE, None)
    assert newest.checks[0]["name"] == "verified Accounts"
    assert newest.checks[0]["actual"].startswith("3 keys, 3 documents by value")
    assert find_rules(connection) == RULES
    assert set(forgotten.read_positions(rehearsed.owner)) == {"Accounts"}
    assert attempt.progress.pause_seconds >= rehearsed.steps.settle_seconds
    assert {"quiet", "drain", "changes", "rules", "counts"} <= attempt.progress.seconds.keys()
    with pytest.raises(ConflictError, match="nothing leads back"):
        rehearsed.run.run()


def test_the_gate_is_closed_to_the_app_from_then_on(rehearsed):
    """A stray write is no more applied; it is the watch's."""
    rehearsed.run.run()
    rehearsed.write("a", DisplayName="stray")

    with pytest.raises(FatalError, match="Phase 3"):
        rehearsed.deliver()

    rehearsed.watch.look()
    assert len(rehearsed.watch.find_problems()) == 1


@pytest.mark.parametrize("recorded", [Phase.COSMOS_ONLY, Phase.DUAL_WRITE_COSMOS_READ])
def test_it_leads_from_phase_2_alone(rehearsed, recorded):
    """Before that, nobody has read from PostgreSQL yet."""
    gate.record(rehearsed.owner, TWO, recorded)

    with pytest.raises(ConflictError, match="from phase 2 to 3"):
        rehearsed.run.run()


def test_without_a_rehearsal_it_refuses(world):
    """Nobody knows how long it takes."""
    with pytest.raises(ConflictError, match="cutover rehearse"):
        world.run.run()


def test_a_stale_proof_is_refused(rehearsed, connection):
    """It is as old as the first reading of its oldest part, whenever the rehearsal ended."""
    connection.execute(MAKE_OLD)

    with pytest.raises(ConflictError, match=r"7200 s old, and a proof holds for 3600 s"):
        rehearsed.run.run()


def test_another_container_than_before_is_refused(rehearsed, connection):
    """Adopted since the rehearsal, or not adopted at all; and one that was not part of it."""
    connection.execute("update cdc.container set rid = 'other'")
    with pytest.raises(FatalError, match="is not the one seen first"):
        rehearsed.run.run()
    connection.execute("update cdc.container set rid = %s", [rehearsed.accounts.origin.rid])
    connection.execute("update cdc.cutover set progress = jsonb_set(progress, '{containers,Accounts,rid}', '\"old\"')")
    with pytest.raises(FatalError, match="another container than the one of the rehearsal"):
        rehearsed.run.run()
    connection.execute("update cdc.cutover set progress = jsonb_set(progress, '{containers}', '{}')")
    with pytest.raises(FatalError, match="was not part of the rehearsal"):
        rehearsed.run.run()
    assert rehearsed.phase() is TWO


def test_who_may_not_record_a_phase_is_told_at_once(rehearsed, database):
    """The app's own login."""
    steps = replace(rehearsed.steps, database=database)
    for work in (
        replace(rehearsed.run, steps=steps).run,
        replace(rehearsed.run, steps=steps).abort,
        partial(replace(rehearsed.rehearsal, steps=steps).rehearse, 0),
    ):
        with pytest.raises(FatalError, match="as the login that migrates"):
            work()


def test_tables_of_somebody_else_are_named_before_anything_begins(rehearsed, connection):
    """The login that migrates may not own what the application has created."""
    connection.execute("alter table accounts owner to postgres")

    with pytest.raises(FatalError, match=r"may not add rules to public.accounts \(of postgres\)"):
        rehearsed.run.run()

    assert rehearsed.phase() is TWO


def test_what_readiness_refuses_is_refused(rehearsed):
    """The checks are named, with what must be."""
    rehearsed.unready.append(ReadinessCheck(name="lag", passed=False, actual="8 s", required="at most 5 s"))

    with pytest.raises(UnreadyError) as refused:
        rehearsed.run.run()

    assert refused.value.fields == (("lag", "8 s; must be: at most 5 s"),)


def test_a_source_that_is_written_all_the_time_is_refused(rehearsed, in_background):
    """Nothing was switched, and a later run goes on."""
    in_background(lambda: rehearsed.write("a"))

    with pytest.raises(RefusedError, match="Cosmos is still written"):
        rehearsed.run.run()

    assert rehearsed.phase() is TWO
    assert "still written" in rehearsed.attempts.read_newest("run").problem


def test_a_writer_that_stops_late_is_waited_for(rehearsed, in_background):
    """Its last changes arrive, and are in PostgreSQL before the switch."""
    late = iter([lambda: rehearsed.write("a", DisplayName="last"), lambda: rehearsed.write("d", DisplayName="new")])
    rehearsed.at_say["quiet"] = lambda: [write() for write in late]
    in_background(rehearsed.deliver)

    rehearsed.run.run()

    rehearsed.watch.look()
    assert rehearsed.watch.find_problems() == []
    with rehearsed.owner.connection() as connection:
        found = connection.execute("select id, display_name from accounts order by id").fetchall()
    assert [name for id_, name in found if id_ in "ad"] == ["last", "new"]


def test_a_letter_that_nobody_retries_is_named(rehearsed):
    """It must be corrected or discarded first."""
    rehearsed.write("bad", Email=None)
    rehearsed.deliver()

    with pytest.raises(RefusedError, match="1 documents of Accounts are parked"):
        rehearsed.run.run()


def test_rows_that_break_a_rule_stop_it(rehearsed, connection):
    """The sentence names the rule and what it demands, and the error has the documents; no rule stays behind."""
    rehearsed.at_say["quiet"] = lambda: (rehearsed.write("d", Email="a@example.com"), rehearsed.deliver())

    with pytest.raises(BrokenRuleError, match="The rule ix_accounts_email fails") as broken:
        rehearsed.run.run()

    assert {identity.id for identity in broken.value.breach.documents} == {'"a"', '"d"'}
    assert rehearsed.phase() is TWO
    assert find_rules(connection) == set()
    rehearsed.write("d")
    rehearsed.deliver()
    rehearsed.run.run()
    assert rehearsed.phase() is THREE


@pytest.mark.parametrize(
    ("step", "times"),
    [("check", 1), ("quiet", 2), ("drain", 1), ("changes", 1), ("rules", 1), ("rules", 2), ("rules", 3), ("counts", 2)],
)
def test_killed_at_any_step_it_goes_on(rehearsed, connection, monkeypatch, step, times):
    """Before or after its first keeping of its progress in a step, or between two rules; nothing is switched yet."""
    save, left = Attempts.save_in, [times]

    def save_or_die(self, connection, attempt, *problem):
        if attempt.progress.step == step:
            left[0] -= 1
            if left[0] == 0:
                kill()
        save(self, connection, attempt, *problem)

    monkeypatch.setattr(Attempts, "save_in", save_or_die)
    with pytest.raises(Killed):
        rehearsed.run.run()
    assert rehearsed.phase() is TWO

    rehearsed.run.run()

    assert rehearsed.phase() is THREE
    assert find_rules(connection) == RULES


def test_whoever_watches_sees_whether_a_process_works_on_it(rehearsed, monkeypatch):
    """An interrupted run asks for somebody; one that works does not."""
    told = []
    rehearsed.at_say["drain"] = lambda: told.extend(rehearsed.report.write())
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_take_positions", lambda _: kill())
        with pytest.raises(Killed):
            rehearsed.run.run()

    assert "           a process works on it now" in told
    assert "interrupted" not in "".join(told)
    while rehearsed.attempts.is_run_worked_on():
        time.sleep(0.05)
    assert "           it was interrupted: run python -m cdc cutover run again" in "\n".join(rehearsed.report.write())
    rehearsed.run.run()
    assert not rehearsed.attempts.is_run_worked_on()


def test_a_run_does_not_fail_with_the_connection_that_shows_it(rehearsed, connection):
    """It is worth nothing to the run itself."""
    rehearsed.at_say["drain"] = lambda: connection.execute(
        "select pg_terminate_backend(pid) from pg_locks where classid = 'cdc.cutover'::regclass and objsubid = 2"
    )

    rehearsed.run.run()

    assert rehearsed.phase() is THREE


def test_killed_in_the_switch_it_has_not_switched(rehearsed, monkeypatch):
    """Phase, proof and places of the watch are one transaction."""
    with monkeypatch.context() as patch:
        patch.setattr("cdc.postgres.forgotten.begin", lambda *_: kill())
        with pytest.raises(Killed):
            rehearsed.run.run()
    assert rehearsed.phase() is TWO
    assert forgotten.read_positions(rehearsed.owner) == {}

    rehearsed.run.run()

    assert rehearsed.phase() is THREE


def test_after_a_crash_with_rules_a_late_document_meets_none(rehearsed, connection, monkeypatch, in_background):
    """They are taken back before it arrives: with them, it would be parked."""
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_take_positions", lambda _: kill())
        with pytest.raises(Killed):
            rehearsed.run.run()
    assert find_rules(connection) == RULES
    rehearsed.write("d")

    rehearsed.at_say["rules"] = lambda: rehearsed.deliver() if find_rules(connection) else None
    in_background(rehearsed.deliver)
    rehearsed.run.run()

    assert rehearsed.phase() is THREE
    assert find_rules(connection) == RULES
    assert ("rules", "they are taken back") in rehearsed.said


def test_what_is_deleted_after_the_verification_is_not_switched_over(rehearsed, monkeypatch):
    """A delete is in no feed: the counts tell, under the lock."""
    deleted, count = [], Run._count

    def delete_and_count(run):
        if not deleted:
            deleted.append(rehearsed.accounts.source.delete("Accounts", an_account("b")))
        return count(run)

    monkeypatch.setattr(Run, "_count", delete_and_count)
    monkeypatch.setattr("cdc.cutover.steps.STUCK_SECONDS", 0.5)

    with pytest.raises(RefusedError, match="The reconcile does not end"):  # nobody does it here
        rehearsed.run.run()

    assert ("switch", "the counts of Accounts differ") in rehearsed.said
    assert rehearsed.phase() is TWO


@pytest.mark.parametrize("broken", ["delete from accounts where id = 'b'", "drop index ix_accounts_email"])
def test_what_breaks_between_the_counts_and_the_switch_is_seen(rehearsed, connection, monkeypatch, broken):
    """Rows that a rule took along, and a rule that somebody dropped: it begins once more, and mends what it can."""
    count, done = Run._count, []

    def count_and_break(run):
        found = count(run)
        if not done:
            done.append(connection.execute(broken))
        return found

    monkeypatch.setattr(Run, "_count", count_and_break)
    if broken.startswith("drop"):
        rehearsed.run.run()
        assert find_rules(connection) == RULES
    else:
        monkeypatch.setattr("cdc.cutover.steps.STUCK_SECONDS", 0.5)
        with pytest.raises(RefusedError, match="The reconcile does not end"):  # nobody does it here
            rehearsed.run.run()
        assert ("switch", "rows of Accounts are gone") in rehearsed.said
        assert rehearsed.phase() is TWO


def test_a_second_run_takes_over_and_the_first_ends(rehearsed):
    """Both would do the same; only one of them records phase 3."""
    rehearsed.at_say["quiet"] = rehearsed.run.run

    with pytest.raises(ConflictError, match=r"Another process has taken this over|nothing leads back"):
        rehearsed.run.run()

    assert rehearsed.phase() is THREE
    assert len(gate.read_changes(rehearsed.owner)) == 3


def test_a_rehearsal_beside_it_changes_nothing(rehearsed):
    """It has a row of its own."""
    rehearsed.at_say["quiet"] = lambda: rehearsed.rehearsal.rehearse(0)

    rehearsed.run.run()

    assert rehearsed.phase() is THREE


def test_abort_takes_back_what_a_killed_run_has_added(rehearsed, connection, monkeypatch):
    """And nothing else: a rule that was there before stays."""
    connection.execute("create unique index ix_accounts_email on accounts (email)")
    monkeypatch.setattr(Run, "_take_positions", lambda _: kill())
    with pytest.raises(Killed):
        rehearsed.run.run()

    aborted = rehearsed.run.abort()

    assert aborted.progress.rules == ["fk_completed_scenarios_accounts"]
    assert find_rules(connection) == {"ix_accounts_email"}
    assert rehearsed.phase() is TWO
    assert rehearsed.run.abort() is None


def lose_the_answer(monkeypatch, name, *, commits):
    """Let the connection break in the transaction that calls a function of the rules: as it commits, or before."""
    lend, act, now, over = Database.transaction, getattr(rules, name), threading.Event(), threading.Event()

    def note(*arguments):
        act(*arguments)
        now.set()

    def break_once():
        if now.is_set() and not over.is_set():
            over.set()
            raise TransientError("the connection broke")

    @contextmanager
    def break_off(database, *arguments, **options):
        with ExitStack() as stack:
            connection = stack.enter_context(lend(database, *arguments, **options))
            yield connection
            if not commits:
                break_once()
        break_once()

    monkeypatch.setattr(rules, name, note)
    monkeypatch.setattr(Database, "transaction", break_off)


@pytest.mark.parametrize("commits", [True, False])
def test_abort_takes_back_a_rule_whose_commit_was_not_answered(rehearsed, connection, monkeypatch, commits):
    """Nobody knows whether it is there: it counts as added."""
    with monkeypatch.context() as patch:
        lose_the_answer(patch, "add", commits=commits)
        with pytest.raises(TransientError):
            rehearsed.run.run()
    assert (find_rules(connection) == set()) is not commits

    rehearsed.run.abort()

    assert find_rules(connection) == set()


@pytest.mark.parametrize("commits", [True, False])
def test_rules_that_could_not_be_taken_back_are_still_known(rehearsed, connection, monkeypatch, commits):
    """The next run, or abort, takes them back."""
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_take_positions", lambda _: kill())
        with pytest.raises(Killed):
            rehearsed.run.run()
    rehearsed.write("d")
    with monkeypatch.context() as patch:
        lose_the_answer(patch, "drop", commits=commits)
        with pytest.raises(TransientError):
            rehearsed.run.run()

    rehearsed.run.abort()

    assert find_rules(connection) == set()


def test_rows_that_are_gone_are_written_again_in_the_pause(rehearsed, connection, monkeypatch):
    """A rule may have taken them along while its run was dead; a reconcile repairs them."""
    connection.execute("delete from completed_scenarios where account_id = 'b'; delete from accounts where id = 'b'")
    monkeypatch.setattr("cdc.cutover.steps.STUCK_SECONDS", 0.5)

    with pytest.raises(RefusedError, match="The reconcile does not end"):  # nobody does it here
        rehearsed.run.run()

    assert ("changes", "1 documents of Accounts differ: a reconcile repairs them") in rehearsed.said


@pytest.mark.parametrize("place", ["'{ends}', '{}'", "'{containers,Accounts,rid}', '\"other\"'"])
def test_places_of_other_containers_are_taken_anew(rehearsed, connection, monkeypatch, place):
    """A run that goes on with a newer rehearsal: what it has not watched may have been written just now."""
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_take_positions", lambda _: kill())
        with pytest.raises(Killed):
            rehearsed.run.run()
    rehearsed.write("d", Email="a@example.com")  # under the rules it would be parked
    connection.execute(f"update cdc.cutover set progress = jsonb_set(progress, {place}) where kind = 'run'")
    monkeypatch.setattr("cdc.cutover.steps.STUCK_SECONDS", 0.5)

    with pytest.raises(RefusedError, match="Nothing moves"):  # nobody brings it here
        rehearsed.run.run()

    assert find_rules(connection) == set()


def test_who_may_not_create_in_the_schema_is_told_before_anything_begins(rehearsed, connection):
    """An index needs this right beside the table: without it, the pause would end at the first rule."""
    connection.execute("revoke create on schema public from public, migrated_cdc_owner")

    with pytest.raises(FatalError, match="may not create indexes in the schema public"):
        rehearsed.run.run()


def test_abort_stops_a_run_that_still_goes_on(rehearsed, connection):
    """It ends at its next step, and records nothing."""
    rehearsed.at_say["rules"] = rehearsed.run.abort

    with pytest.raises(ConflictError, match="aborted it"):
        rehearsed.run.run()

    assert rehearsed.phase() is TWO
    assert find_rules(connection) == set()


def test_nothing_is_aborted_in_phase_3(rehearsed):
    """The application writes PostgreSQL by now."""
    rehearsed.run.run()

    with pytest.raises(ConflictError, match="nothing leads back"):
        rehearsed.run.abort()


def test_the_report_says_how_far_it_is(rehearsed, monkeypatch):
    """After a rehearsal, after a crash, and at the end."""
    assert any("forecast of the pause" in line for line in rehearsed.report.write())
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_take_positions", lambda _: kill())
        with pytest.raises(Killed):
            rehearsed.run.run()
    told = "\n".join(rehearsed.report.write())
    assert "at the step counts" in told
    assert "rules added: ix_accounts_email, fk_completed_scenarios_accounts" in told
    rehearsed.run.run()
    assert any("the pause took" in line for line in rehearsed.report.write())


def test_proofs_are_kept_by_container(rehearsed):
    """With account and resource id."""
    proof = rehearsed.attempts.read_newest("rehearsal", ["completed"]).progress.containers["Accounts"]

    assert isinstance(proof, Proof)
    assert proof.rid == rehearsed.accounts.origin.rid
