"""The template counts connections and instances, and refuses what cannot work."""

import math
import re

import pytest

from cdc.config.settings import Phase, read_phase
from infra.check.template import ROOT
from mappers import EXTRA_CONTAINERS, MAPPERS
from tests.infra.evaluate import Main, RefusedError


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, 8),
        ({"postgresSku": "Standard_B2ms"}, 8),
        ({"extraContainers": "PendingSignups"}, 6),
        ({"postgresSku": "Standard_B2s", "maximumInstanceCount": 29}, 6),
        ({"postgresSku": "Standard_B2s", "maximumInstanceCount": 19}, 8),
        ({"existingPostgresHost": "db", "existingPostgresConnections": 544}, 6),
        ({"existingPostgresHost": "db", "existingPostgresConnections": 5000}, 8),
    ],
)
def test_the_pool_is_what_the_server_gives_each_instance(parameters, expected):
    """All instances that Azure may start never ask for more than there is: the limit is that of each group."""
    main = Main(**parameters)

    assert main.value("poolSize") == expected
    groups = main.value("instancesAtRest") - 1  # the timer runs in one instance
    instances = groups * main.value("maximumInstanceCount") + main.value("instancesAtRest")
    asked = instances * math.ceil(expected / 3) + main.value("otherPostgresConnections")
    assert asked <= main.value("serverConnections")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"postgresSku": "Standard_B1ms"}, "need 544, and it gives 35."),
        ({"postgresSku": "Standard_B2s"}, "need 544, and it gives 414."),
        ({"postgresSku": "Standard_B2s", "maximumInstanceCount": 30}, "need 424, and it gives 414."),
        ({"existingPostgresHost": "db"}, "need 544, and it gives 0."),
        ({"existingPostgresHost": "db", "existingPostgresConnections": 543}, "correct existingPostgresConnections"),
    ],
)
def test_what_cannot_work_is_refused(parameters, message):
    """With numbers, and what to do."""
    with pytest.raises(RefusedError, match=message.replace(".", r"\.")):
        Main(**parameters).value("poolSize")


@pytest.mark.parametrize(
    ("sku", "expected"), [("Standard_B1ms", 50), ("Standard_B2s", 429), ("Standard_D4ds_v5", 1718)]
)
def test_a_server_is_told_what_its_size_gives(sku, expected):
    """Azure leaves max_connections as it is when the size changes: a larger server would give no more."""
    assert Main(postgresSku=sku).value("maxConnections") == expected
    module = (ROOT / "infra" / "app" / "postgres.bicep").read_text(encoding="utf-8")
    assert "name: 'max_connections'\n  properties: { value: string(maxConnections), source: 'user-override' }" in module


@pytest.mark.parametrize(
    ("own", "other", "sku", "expected"),
    [(40, 40, "Standard_D4ds_v5", 8), (20, 20, "Standard_D2ds_v5", 8), (24, 24, "Standard_D2ds_v5", 6)],
)
def test_two_environments_on_one_server_take_no_more_than_it_gives(own, other, sku, expected):
    """Each keeps what the other takes at most, 3 connections an instance, as docs/deploying.md says."""
    taken = []
    for mine, its in ((own, other), (other, own)):
        kept = 50 + 3 * Main(maximumInstanceCount=its).value("instancesAtMost")
        main = Main(postgresSku=sku, maximumInstanceCount=mine, otherPostgresConnections=kept)
        assert main.value("poolSize") == expected
        taken.append(math.ceil(expected / 3) * main.value("instancesAtMost"))
    assert sum(taken) + 50 <= Main(postgresSku=sku).value("serverConnections")


def test_the_template_takes_each_phase_as_the_app_does():
    """By its number and by its name, and nothing else."""
    given = re.search(r"@allowed\(\[(.*)\]\)\n.*\nparam migrationPhase", (ROOT / "infra" / "main.bicep").read_text())
    allowed = re.findall(r"'(\w+)'", given[1])

    assert [read_phase(each) for each in allowed] == [*Phase, *Phase]


def test_the_leases_are_not_made_in_the_source_database():
    """The template changes nothing of the source."""
    with pytest.raises(RefusedError, match="leaseDatabase must be another database"):
        Main(cosmosDatabase="MystiraCdc").value("ownLeaseDatabase")

    assert Main(cosmosDatabase="MystiraAppDb").value("ownLeaseDatabase") == "MystiraCdc"


def test_the_account_is_not_in_the_group_that_is_deleted_with_the_deployment():
    """Azure does not tell large from small letters there."""
    given = {"environmentName": "Prod", "cosmosAccountName": "account"}
    with pytest.raises(RefusedError, match="the resource group rg-Prod, which belongs to this deployment"):
        Main(**given, cosmosResourceGroup="RG-prod").value("sourceAccount")

    assert Main(**given, cosmosResourceGroup="data").value("sourceAccount") == "account"


@pytest.mark.parametrize("extra", ["", *EXTRA_CONTAINERS, "Unknown," + ",".join(EXTRA_CONTAINERS)])
def test_the_feeds_are_those_that_the_app_starts(extra):
    """A container of EXTRA_CONTAINERS counts only if it is named; a name that nobody knows counts nowhere."""
    named = [name for name in EXTRA_CONTAINERS if name in extra.split(",")]

    main = Main(extraContainers=extra)

    assert main.value("containers") == [*(mapper.container for mapper in MAPPERS), *named]
    assert main.value("instancesAtRest") == len(MAPPERS) + len(named) + 3
