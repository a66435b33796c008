"""Keys of changed documents go from a real Redis, whatever happens to it, and nobody waits for it."""

import logging
import time

import pytest

from cdc.cache.keys import CacheKeys
from cdc.config import stackexchange
from cdc.core.documents import Identity
from cdc.core.errors import TransientError
from cdc.operations import invalidation
from cdc.operations.invalidation import Invalidation
from cdc.repair.reread import Ending, repair_document
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from local.freezing import frozen
from local.patience import PATIENCE_SECONDS
from mappers import EXTRA_MAPPERS, MAPPERS
from mappers.accounts import ACCOUNTS
from tests.builders import a_change, a_version, an_account, an_upsert
from tests.golden import name_file, read_bases
from tests.integration.postgres.test_tls import ELSEWHERE, make_certificate
from tests.integration.repair.test_reread import FakeSource
from tests.redis_server import RedisServer, find_port, needs_redis

PLANTED = "lerato.dlamini@example.com"

pytestmark = needs_redis


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Redis that the tests of this module share; it keeps its entries when it is killed."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--appendonly", "yes", "--appendfsync", "always")
    yield server
    server.stop()


@pytest.fixture
def redis(server):
    """That Redis, empty."""
    server.client.flushall()
    return server


@pytest.fixture
def open_cache(database):
    """Open what removes keys from a cache."""
    opened = []

    def open_with(connection, prefix="dev:", entry_seconds=7_200, login=None):
        keys = CacheKeys(stackexchange.read(connection), prefix, login)
        opened.append(Invalidation(database, keys, entry_seconds))
        return opened[-1]

    yield open_with
    for each in opened:
        each.close()


@pytest.fixture
def cache(open_cache, redis):
    """What removes keys from that Redis."""
    return open_cache(redis.connection)


@pytest.fixture
def sink(database, cache, way):
    """A sink that wakes it."""
    return PostgresSink(database, invalidate=cache.on_commit)


def wait_until(condition):
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def noted(observer):
    """Return what the outbox holds, in order."""
    return [set(keys) for (keys,) in observer.connection.execute("select keys from cdc.invalidation order by id")]


def is_over(observer):
    """Return a condition: the outbox is empty."""
    return lambda: not noted(observer)


def test_keys_of_the_old_and_of_the_new_email_go(redis, sink, observer):
    """The entry under the old e-mail would go on to find the account; others, and other environments, keep theirs."""
    replicate(ACCOUNTS, [an_upsert("a", Email="Old@Example.com"), an_upsert("b", Email="b@example.com")], sink)
    wait_until(is_over(observer))
    mails = ["Old@Example.com", "old@example.com", "New@example.com", "new@example.com"]
    stale = ["dev:account:a", "dev:mystira:account:a", *(f"dev:account:email:{mail}" for mail in mails)]
    others = ["dev:account:b", "dev:account:email:b@example.com", "account:a", "prod:account:a"]
    redis.fill(*stale, *others)

    replicate(ACCOUNTS, [an_upsert("a", 1, Email="New@example.com")], sink)

    wait_until(is_over(observer))
    assert redis.keys() == set(others)


@pytest.mark.parametrize("last", [None, {"IsDeleted": True}, {"$type": "SalesOrder"}], ids=["gone", "soft", "unmapped"])
def test_all_keys_of_a_document_that_gives_up_its_rows_go(redis, sink, observer, last):
    """Only the old row knows them."""
    replicate(ACCOUNTS, [an_upsert("a", Email=PLANTED), an_upsert("b")], sink)
    wait_until(is_over(observer))
    redis.fill("dev:account:a", f"dev:account:email:{PLANTED}", "dev:account:b")
    body = None if last is None else an_account("a") | last

    replicate(ACCOUNTS, [a_change("a", version=a_version(1), body=body)], sink)

    wait_until(is_over(observer))
    assert observer.ids() == ["b"]
    assert redis.keys() == {"dev:account:b"}


def test_a_row_that_goes_to_another_document_takes_both_rows_keys(redis, sink, observer):
    """Row `x` is given up by one document and taken by another in the same batch; row `y` is given up."""
    replicate(ACCOUNTS, [an_upsert("a", row="x", Email="x@old"), an_upsert("b", row="y", Email="y@old")], sink)
    wait_until(is_over(observer))
    redis.fill(*(f"dev:account:email:{mail}" for mail in ("x@old", "y@old", "x@new", "z@new")), "dev:account:y")

    replicate(ACCOUNTS, [an_upsert("a", 1, row="z", Email="z@new"), an_upsert("b", 1, row="x", Email="x@new")], sink)

    wait_until(is_over(observer))
    assert redis.keys() == set()


@pytest.mark.parametrize(("last", "ending"), [("new@example.com", Ending.APPLIED), (None, Ending.DELETED)])
def test_repairs_take_keys_along(redis, cache, database, sink, observer, last, ending):
    """Letters, reconcile and resync write through this."""
    change = a_change("a", partition_key="p", body=an_account("a", Email=PLANTED))
    replicate(ACCOUNTS, [change], sink)
    wait_until(is_over(observer))
    redis.fill("dev:account:a", f"dev:account:email:{PLANTED}", "dev:account:email:new@example.com")
    source, store = (
        FakeSource(),
        PostgresRereadStore(database, backoff_seconds=60, settle_seconds=0.001, invalidate=cache.on_commit),
    )
    if last is not None:
        source.put("a", 1, Email=last)

    identity = Identity.of("Accounts", "p", "a")
    if last is None:
        assert repair_document(ACCOUNTS, identity, source, store) is Ending.DOUBTED
    assert repair_document(ACCOUNTS, identity, source, store) is ending

    wait_until(is_over(observer))
    assert redis.keys() - {"dev:account:email:new@example.com"} == set()
    assert last is None or redis.keys() == set()


@pytest.mark.parametrize("mapper", [*MAPPERS, *EXTRA_MAPPERS], ids=lambda mapper: mapper.container)
def test_every_mapper_names_the_entry_of_its_document(database, observer, mapper):
    """The application's repository caches under the class and the id; nothing is noted where there is no cache."""
    body = read_bases(name_file(mapper, (*MAPPERS, *EXTRA_MAPPERS)))["sample"].document
    type_ = next(iter(mapper.types))

    replicate(mapper, [a_change("a", container=mapper.container, body=body)], PostgresSink(database))
    assert noted(observer) == []
    again = PostgresSink(database, reapplies=True, invalidate=lambda: None)
    replicate(mapper, [a_change("a", container=mapper.container, body=body)], again)

    id_ = observer.ids(mapper.tables[0].name)[0]
    assert bool(noted(observer)) == bool(mapper.cache_keys)
    assert all(f"mystira:{type_.lower()}:{id_}" in keys for keys in noted(observer))


def test_keys_are_noted_only_if_the_rows_change(database, observer):
    """Both are one transaction."""
    sink = PostgresSink(database, invalidate=lambda: pytest.fail("there was no commit"))

    def fail(*_):
        raise TransientError("The cursor cannot be kept.")

    with pytest.raises(TransientError):
        replicate(ACCOUNTS, [an_upsert("a")], sink, fail)

    assert (noted(observer), observer.ids()) == ([], [])


def test_every_key_goes_in_the_end_after_redis_was_killed(redis, cache, sink, observer, monkeypatch):
    """Killed among changes and started again: no batch fails, and the timer removes what the thread could not."""
    monkeypatch.setattr(invalidation, "_PAUSE_SECONDS", 0.01)
    names = [f"a{number}" for number in range(60)]
    redis.fill("dev:account:other", *(f"dev:account:{name}" for name in names))
    for place, name in enumerate(names):
        if place == 20:
            redis.stop()
        if place == 40:
            redis.start()
        assert replicate(ACCOUNTS, [an_upsert(name, Email=f"{name}@x")], sink).applied == 1
    cache.catch_up()

    wait_until(is_over(observer))
    assert len(observer.ids()) == 60
    assert redis.keys() == {"dev:account:other"}


def test_nobody_waits_for_a_redis_that_stands_still(redis, cache, sink, observer, caplog):
    """Changes are applied while it does, the timer says so after a second, and then all keys go; no log has one."""
    replicate(ACCOUNTS, [an_upsert("a")], sink)
    wait_until(is_over(observer))
    redis.fill("dev:account:a", f"dev:account:email:{PLANTED}")

    with caplog.at_level(logging.DEBUG), frozen(redis.pid):
        assert replicate(ACCOUNTS, [an_upsert("a", 1, Email=PLANTED)], sink).applied == 1
        with pytest.raises(TransientError, match="check that the server of REDIS_CONNECTION runs") as error:
            cache.catch_up()
        assert noted(observer)
    cache.catch_up()

    assert redis.keys() == set()
    assert noted(observer) == []
    assert PLANTED not in caplog.text + repr(error.value)
    assert "account:" not in caplog.text


def test_what_may_not_be_removed_stops_no_other_key(redis, open_cache, database, observer, monkeypatch, caplog):
    """A user who may not delete some keys: the others go, page after page; the sentence names none."""
    monkeypatch.setattr(invalidation, "_AT_ONCE", 2)
    redis.client.execute_command("acl", "setuser", "app", "on", ">pass", "~dev:account:*", "+@all")
    cache = open_cache(f"{redis.connection},user=app,password=pass")
    sink = PostgresSink(database, invalidate=lambda: None)
    names = ["a", "b", "c", "d", "e"]
    replicate(ACCOUNTS, [an_upsert(name, Email=PLANTED) for name in names], sink)
    redis.fill(*(f"dev:account:{name}" for name in names), "dev:mystira:account:a")

    with caplog.at_level(logging.DEBUG), pytest.raises(TransientError, match="cache keys of 5 rows") as error:
        cache.catch_up()

    assert redis.keys() == {"dev:mystira:account:a"}
    assert len(noted(observer)) == 5
    assert PLANTED not in caplog.text + repr(error.value)
    redis.client.execute_command("acl", "setuser", "app", "~*")
    cache.catch_up()
    assert (redis.keys(), noted(observer)) == (set(), [])


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:6379", None], ids=["away", "no name", "off"])
def test_notes_are_forgotten_once_their_entries_have_expired(open_cache, database, observer, address, caplog):
    """They hold e-mails; also where the setting was taken away, and where Redis never comes back."""
    replicate(ACCOUNTS, [an_upsert("a"), an_upsert("b")], PostgresSink(database, invalidate=lambda: None))
    observer.connection.execute(
        "update cdc.invalidation set noted_at = now() - interval '61 seconds' where 'account:a' = any(keys)"
    )
    cache = Invalidation(database, None, 60) if address is None else open_cache(address, entry_seconds=60)

    if address is None:
        cache.catch_up()
        assert (cache.on_commit, cache.every > 0) == (None, True)
    else:
        with pytest.raises(TransientError):
            cache.catch_up()

    assert ["account:b" in keys for keys in noted(observer)] == [True]
    assert "the cache keys of 1 rows" in caplog.text


@pytest.mark.parametrize(("options", "login"), [(["--requirepass", "right"], ""), ([], ",user=app,password=wrong")])
def test_a_wrong_login_is_said_as_such(tmp_path, open_cache, database, observer, options, login):
    """The sentence names the setting; the keys wait."""
    guarded = RedisServer(tmp_path, *options)
    replicate(ACCOUNTS, [an_upsert("a")], PostgresSink(database, invalidate=lambda: None))
    cache = open_cache(guarded.connection + login)

    with pytest.raises(TransientError, match="check REDIS_CONNECTION"):
        cache.catch_up()

    guarded.stop()
    assert noted(observer)


def test_a_server_is_verified_over_tls(tmp_path, monkeypatch):
    """By an authority of the system, and by its name: a password goes to nobody else."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    for file, content in zip((certificate, key), make_certificate(), strict=True):
        file.write_bytes(content)
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate))
    options = ("--bind", "127.0.0.1", ELSEWHERE, "--tls-port", str(port := find_port()), "--tls-auth-clients", "no")
    server = RedisServer(tmp_path, *options, *files)

    def remove(address):
        cache = CacheKeys(stackexchange.read(f"{address}:{port},ssl=True"), "")
        server.fill("account:a")
        try:
            return cache.remove(["account:a"])
        finally:
            cache.close()

    with pytest.raises(TransientError):
        remove(ELSEWHERE)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert remove(ELSEWHERE) == {"account:a"}
    with pytest.raises(TransientError):
        remove("127.0.0.1")
    server.stop()


def is_whole(node):
    """Tell whether a node knows both, and answers."""
    known = node.client.cluster("info")
    return (known["cluster_state"], known["cluster_slots_ok"]) == ("ok", "16384")


@pytest.fixture
def nodes(tmp_path):
    """A cluster of two nodes with half of the slots each."""
    options = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
    # By default the nodes meet at their ports plus 10,000, which may be taken, or beyond the last port.
    meeting_ports = {name: find_port() for name in ("one", "other")}
    for name in meeting_ports:
        (tmp_path / name).mkdir()
    one, other = nodes = [
        RedisServer(tmp_path / name, *options, "--cluster-port", str(port)) for name, port in meeting_ports.items()
    ]
    one.client.execute_command("cluster", "addslotsrange", 0, 8191)
    other.client.execute_command("cluster", "addslotsrange", 8192, 16383)
    one.client.execute_command("cluster", "meet", "127.0.0.1", other.port, meeting_ports["other"])
    wait_until(lambda: all(map(is_whole, nodes)))
    yield nodes
    for node in nodes:
        node.stop()


def test_a_cluster_takes_keys_one_by_one_also_while_a_node_is_away(nodes, open_cache, database, observer):
    """Keys of one row lie on several nodes; those of the node that is away go when it is back."""
    cache, sink = open_cache(nodes[0].connection), PostgresSink(database, invalidate=lambda: None)
    slots = {name: nodes[0].client.cluster("keyslot", f"dev:account:{name}") for name in "abcdefgh"}
    ours = [name for name, slot in slots.items() if slot < 8192]
    theirs = [name for name, slot in slots.items() if slot >= 8192]
    assert ours
    assert theirs

    def fill_and_change(ts):
        nodes[0].fill(*(f"dev:account:{name}" for name in ours))
        nodes[1].fill(*(f"dev:account:{name}" for name in theirs))
        replicate(ACCOUNTS, [an_upsert(name, ts) for name in slots], sink)

    fill_and_change(0)
    cache.catch_up()
    assert (nodes[0].keys(), nodes[1].keys(), noted(observer)) == (set(), set(), [])

    fill_and_change(1)
    with frozen(nodes[1].pid):
        with pytest.raises(TransientError):
            cache.catch_up()
        assert nodes[0].keys() == set()
    wait_until(lambda: all(map(is_whole, nodes)))
    cache.catch_up()

    assert (nodes[1].keys(), noted(observer)) == (set(), [])
