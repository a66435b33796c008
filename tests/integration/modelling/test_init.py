"""From documents to rows with what `init` wrote: the project's own checks hold, and nothing that was edited is lost."""

import json
from uuid import UUID

import psycopg
import pytest

from tests.commands import run_command
from tests.conftest import create_database
from tests.integration.modelling import adopted
from tests.integration.modelling.documents import DOTNET, NODE, TENANTS
from tests.integration.project import Project

# Migrates, lets PostgreSQL take every document of each container's file, and later those that have changed. Prints how
# many were parked, and the rows of all new tables.
APPLY = """
import json, sys
from cdc.config.settings import Phase
from cdc.core.mapper_groups import by_container
from cdc.operations.migrations import migrate, read_migrations
from cdc.operations.table_check import check_tables
from cdc.postgres.database import Database
from cdc.postgres.gate import record_first
from cdc.postgres.rows import quoted
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers import APPLICATION_SQL, choose_mappers
from tests.builders import a_change, a_version

database, containers = Database(sys.argv[1]), sys.argv[2:]
migrate(database, read_migrations(APPLICATION_SQL))
record_first(database, Phase.DUAL_WRITE_COSMOS_READ)
mappers = {each.container: each for each in by_container(choose_mappers(containers))}
applied = {}
for container in containers:
    mapper = mappers[container]
    assert check_tables(database, mapper) == []
    parked = 0
    for ts, bodies in enumerate(json.load(open(f"{container}.batches.json"))):
        changes = [
            a_change(container=container, partition_key=str(i), version=a_version(ts), body=body)
            for i, body in enumerate(bodies)
        ]
        parked += replicate(mapper, changes, PostgresSink(database)).parked
    rows = {}
    with database.connection() as connection:
        for table in mapper.tables:
            found = connection.execute(f"select to_jsonb(t) from {quoted(table)} t order by t::text")
            rows[table.name] = [row[0] for row in found]
    applied[container] = [parked, rows]
database.close()
print(json.dumps(applied))
"""

CONTAINERS = {
    "Orders": (NODE, "--profile", "Orders.profile.json", "--partition-key", "/customerId"),
    "Shop": (DOTNET, "--profile", "Shop.profile.json"),
    "visits": (TENANTS, "--profile", "visits.profile.json", "--partition-key", "/tenantId"),
    **adopted.CONTAINERS,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, with a file of documents of each container."""
    project = Project(tmp_path_factory.mktemp("project"))
    for container, (documents, *_) in CONTAINERS.items():
        (project.folder / f"{container}.json").write_text(json.dumps(documents), encoding="utf-8")
        batches = [documents, adopted.LATER.get(container, [])]
        (project.folder / f"{container}.batches.json").write_text(json.dumps(batches), encoding="utf-8")
        assert run_command("profile", "--json", f"{container}.json", folder=project.folder, settings={}).returncode == 0
    return project


@pytest.fixture(scope="module")
def with_tables(postgres_server):
    """The address of a database that has tables which other tools made."""
    for dsn in create_database(postgres_server, "template1"):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(adopted.TABLES)
        yield dsn


def init(project, container, dsn):
    """Write the mapper of a container; return what init said."""
    _, *arguments = CONTAINERS[container]
    settings = {"POSTGRES_CONNECTION": dsn}
    done = run_command("init", "--container", container, *arguments, folder=project.folder, settings=settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def said(project, with_tables):
    """What init said of each container; the project's checks hold for all that it wrote."""
    said = {container: init(project, container, with_tables) for container in CONTAINERS}
    project.check(" or ".join(CONTAINERS))
    project.check_types()
    for container in CONTAINERS:
        assert "green" in project.run("-m", "cdc", "plan", container, "--json", f"{container}.json")
    return said


@pytest.fixture(scope="module")
def applied(project, said, with_tables):
    """The number of parked documents, and the rows that PostgreSQL holds, of each container."""
    with psycopg.connect(with_tables, autocommit=True) as connection:
        connection.execute("alter table deliveries alter search drop not null; insert into customers values ('c1')")
    (line,) = project.run("-c", APPLY, with_tables, *CONTAINERS).strip().splitlines()
    return json.loads(line)


def test_two_types_with_tables_inside_each_other(project, said, applied):
    """Camel case, epochs, money, a delete mark, child tables of child tables, a secret: all of it without an edit."""
    parked, rows = applied["Orders"]

    assert "$.accessToken of order looks like a secret" in said["Orders"]
    assert parked == 0
    assert {name: len(found) for name, found in rows.items()} == {
        "orders": 11,
        "order_lines": 22,
        "order_line_options": 22,
        "refunds": 10,
    }
    assert rows["orders"][0] == {
        "id": str(UUID(int=0)),
        "customer_id": str(UUID(int=99)),
        "total": 12.25,
        "placed_at": "2026-01-09T15:20:31+00:00",
        "tags": ["a", "b"],
        "note": "",
        "shipping_address_street": "Long Street 1",
        "shipping_address_zip": "00123",
        "shipping_address_floor": 3,
        "wild": [1],
        "from": "web",
    }
    option = {"order_id": str(UUID(int=0)), "line_id": "l0", "id": 0, "name": "x"}
    assert rows["order_line_options"][0] == option
    page = (project.folder / "docs/containers/Orders.md").read_text(encoding="utf-8")
    assert "Secrets, never copied: `$.accessToken`" in page
    assert "secret" not in json.dumps(rows)


def test_a_type_whose_names_another_container_has(applied):
    """The module and the table get the container's name in front; conventions that hide a property are not taken."""
    _, rows = applied["Shop"]

    assert len(rows["shop_accounts"]) == 12
    assert rows["shop_accounts"][0] == {
        "id": "0",
        "code": "c0",
        "born_at": "2026-01-09T15:20:31.812345+00:00",
        "never": None,
        "roles": ["one", "two"],
        "settings": {"a": 1},
        "elapsed": "01:02:03",
        "is_deleted": False,
    }


def test_ids_that_are_unique_within_a_partition_only(applied):
    """The key of the table is then the partition key and the id; each property has a column, whatever its name."""
    _, rows = applied["visits"]

    assert len(rows["visits"]) == len(rows["visit_lists"]) == 30
    assert {row["place_name"] for row in rows["visits"]} == {"here"}
    odd = {"a_b": 1, "a_b_2": 2, "order": 3, "gr_e": 4, "gr_e_2": 5, "model_name": 6, "note": "x"}
    assert rows["visits"][0] == {"tenant_id": "t0", "id": "v0", "seconds": 0, "place_name": "here", **odd}
    assert rows["visit_lists"][0] == {"tenant_id": "t0", "visit_id": "v0", "id": 1}


def test_a_table_of_entity_framework(project, said, applied):
    """Its names are the properties'; a key that nobody fills is the item's place; what PostgreSQL computes is left."""
    told, (parked, rows) = said["Invoices"], applied["Invoices"]

    assert "no migration" in told
    assert "Invoices: nothing writes TotalWithTax: PostgreSQL computes it" in told
    assert "Invoices: nothing writes Number: " in told
    assert 'sales."Invoices": IX_Invoices_CustomerName is a unique rule' in told
    assert 'sales."InvoiceLines": no property fills Id, so it has the item\'s place' in told
    assert not list((project.folder / "sql/application").glob("*_invoices.sql"))
    assert parked == 0
    assert {name: len(found) for name, found in rows.items()} == {"Invoices": 12, "InvoiceLines": 24}
    assert rows["Invoices"][1] == {
        "Id": str(UUID(int=1)),
        "CustomerName": "somebody 1",
        "Total": 12.5,
        "PlacedAt": "2026-01-09T15:20:31.812345+00:00",
        "Note": None,
        "Code": None,
        "Labels": ["a", "b"],
        "ShippingAddress_Street": "Long Street 1",
        "ShippingAddress_City": None,
        "TotalWithTax": 15.0,
        "Number": rows["Invoices"][1]["Number"],
    }
    assert rows["InvoiceLines"][1] == {"InvoiceId": str(UUID(int=0)), "Id": 1, "Sku": "jam", "Price": 2.25}


def test_owned_objects_and_items_inside_each_other(project, said, applied):
    """Entity Framework's names say where each stands; a place that changes, and an item that goes, change rows."""
    told, (parked, rows) = said["Tickets"], applied["Tickets"]

    assert parked == 0
    assert 'sales."Tickets_Stops_Legs": no property fills Id, so it has the item\'s place' in told
    assert 'sales."Notes": its primary key is Id alone.' in told
    assert "no index begins with" not in told
    assert rows["Tickets"][:2] == [
        {"Id": "t0", "Address_City": "There", "Address_Geo_Lat": None, "Address_Geo_Lng": None},
        {"Id": "t1", "Address_City": "Here", "Address_Geo_Lat": 1.5, "Address_Geo_Lng": -2.25},
    ]
    assert {name: len(found) for name, found in rows.items()} == {
        "Tickets": 12,
        "Tickets_Stops": 23,
        "Tickets_Stops_Legs": 34,
        "Notes": 11,
    }
    assert rows["Tickets_Stops"][:3] == [
        {"TicketId": "t0", "Id": 0, "Place": "b"},
        {"TicketId": "t1", "Id": 0, "Place": "a"},
        {"TicketId": "t1", "Id": 1, "Place": "b"},
    ]
    names = ("StopTicketId", "StopId", "Id", "Km")
    legs = [tuple(map(row.get, names)) for row in rows["Tickets_Stops_Legs"][:4]]
    assert legs == [("t0", 0, 0, 3.5), ("t1", 0, 0, 1.5), ("t1", 0, 1, 2.5), ("t1", 1, 0, 3.5)]
    assert rows["Notes"][0] == {"Id": str(UUID(int=0)), "Text": "x", "TicketId": "t0"}
    assert str(UUID(int=1)) not in [row["Id"] for row in rows["Notes"]]
    page = (project.folder / "docs/containers/Tickets.md").read_text(encoding="utf-8")
    assert "| `Address_Geo_Lat` | double precision | `Address.Geo.Lat` | yes |" in page
    assert "Table `sales.Notes`, key `Id`, one row for each item of `Notes`." in page


def test_models_of_prisma_with_an_id_each(project, said, applied):
    """Items are found by the column that refers to their document; one that another document has is not taken away."""
    told, (parked, rows) = said["Baskets"], applied["Baskets"]

    assert 'public."BasketItem": its primary key is id alone. Of two documents' in told
    assert 'create index on public."BasketItem" ("basketId");' in told
    assert parked == 1
    assert rows["Basket"][0] == {"id": "b0", "number": 0, "shippingGeoLat": 1.5}
    assert len(rows["BasketItem"]) == 23
    of_two = [row for row in rows["BasketItem"] if row["basketId"] in ("b0", "b1")]
    assert of_two == [
        {"id": "i1", "sku": "tea", "quantity": 2, "basketId": "b1"},
        {"id": "j0", "sku": "jam", "quantity": 7, "basketId": "b0"},
        {"id": "j1", "sku": "jam", "quantity": 1, "basketId": "b1"},
    ]
    declared = (project.folder / "mappers/tables.py").read_text(encoding="utf-8")
    assert 'info={"adopted": True, "parent": ("basketId",)},' in declared


def test_a_table_of_prisma(project, said, applied):
    """The profile says which property fills a column, whatever its spelling; a secret fills none."""
    told, (parked, rows) = said["Deliveries"], applied["Deliveries"]

    assert "public.deliveries: search must not be null, and nothing fills it (no property is called so)" in told
    assert "deliveries: nothing writes created_by: no property is called so; its default fills it" in told
    assert "deliveries: nothing writes password_hash: it looks like a secret" in told
    assert "public.deliveries: customer_id refers to public.customers." in told
    assert "drop constraint deliveries_customer_id_fkey" in told
    assert parked == 0
    assert {name: len(found) for name, found in rows.items()} == {"deliveries": 12, "delivery_items": 24}
    assert rows["deliveries"][0] == {
        "id": "o0",
        "customer_id": "c1",
        "status": "sent back",
        "tags": ["a"],
        "total": 12.25,
        "placed_at": "2026-01-09T15:20:31.812",
        "meta": {"a": 1},
        "is_gift": True,
        "password_hash": None,
        "search": None,
        "created_by": "postgres",
    }
    assert rows["delivery_items"][0] == {"delivery_id": "o0", "line_no": 1, "sku": "tea", "states": None}
    page = (project.folder / "docs/containers/Deliveries.md").read_text(encoding="utf-8")
    assert "Table `public.deliveries`, key `id`. It exists: no migration makes it." in page
    assert "- `created_by`: no property is called so; its default fills it" in page
    assert "No column for: `passwordHash`, `extra`." in page


def test_a_table_with_names_that_are_not_code(applied):
    """They stay texts, in the code, in the golden cases and on the page."""
    parked, rows = applied["Odd"]

    assert parked == 0
    (found,) = rows.values()
    body = {name: value for name, value in adopted.ODD_DOCUMENTS[0].items() if name not in ("import", "id")}
    assert found[0] == {**body, "a|b`c": None}


@pytest.mark.usefixtures("applied")  # the edit comes after
def test_what_was_edited_is_left(project, with_tables):
    """Run again, nothing changes; an edited file stays, and the new text stands beside it."""
    files = {path: path.read_bytes() for path in project.folder.rglob("*") if path.suffix in (".py", ".sql", ".md")}

    again = init(project, "visits", with_tables)

    assert {path: path.read_bytes() for path in files} == files
    assert {line.split()[0] for line in again.split("\n\n")[0].splitlines()} == {"same"}

    module = project.folder / "mappers/visits.py"
    module.write_text(module.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    again = init(project, "visits", with_tables)

    assert "left     mappers/visits.py" in again
    assert module.read_text(encoding="utf-8").endswith("# edited\n")
    assert (project.folder / "mappers/visits.py.new").read_bytes() == files[module]


def test_a_profile_of_another_format_is_refused(tmp_path):
    """One sentence says what to do, and nothing is written."""
    (tmp_path / "old.json").write_text('{"format": 0}', encoding="utf-8")

    done = run_command("init", "--profile", "old.json", folder=tmp_path, settings={})

    assert done.returncode == 1
    assert "run `python -m cdc profile` again" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]
