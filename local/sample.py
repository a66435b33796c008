"""Write realistic documents, and later changes of them, into the source containers; the same for the same seed."""

import argparse
import json
import os
import random
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.core.exceptions import AzureError
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey

from local.cosmos.auth import EMULATOR_KEY

Document = dict[str, Any]

CONTAINERS = ("Accounts", "UserProfiles")
DATABASE = "MystiraAppDb"
EMULATOR = f"AccountEndpoint=http://127.0.0.1:8081/;AccountKey={EMULATOR_KEY};"

_EPOCH = datetime(2025, 12, 14, 8, 0, tzinfo=UTC)
_NAMES = ("Amara", "Björn", "Chidi", "Dineo", "Émile", "Fatima", "Lerato", "Mei", "Noa", "Sipho", "Thandi", "Zoë")
_THEMES = ("Magic & Wizards", "Animal Companions", "Dragons & Knights", "Space Explorers", "Under the Sea")
_AGE_GROUPS = ("3-5", "6-9", "10-12", "13-18")
_AXES = ("Self-Regulation", "Curiosity & Initiative", "Empathy", "Courage")


@dataclass
class Sample:
    """Documents of families who play: an account has up to three profiles, and all of them change later."""

    seed: int
    documents: list[tuple[str, Document]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - sample data
        self._clock = _EPOCH

    def create(self, count: int) -> Iterator[tuple[str, Document]]:
        """Yield `count` new documents with their containers."""
        while count > 0:
            for container, document in self._family()[:count]:
                self.documents.append((container, document))
                yield container, document
                count -= 1

    def change(self) -> tuple[str, Document]:
        """Change one of the documents and return it whole."""
        container, document = self._random.choice(self.documents)
        if container == "Accounts":
            self._change_account(document)
        else:
            self._change_profile(document)
        return container, document

    def poison(self) -> tuple[str, Document]:
        """Return an account whose creation time is no time."""
        account = self._account()
        return "Accounts", account | {"CreatedAt": "the day before yesterday"}

    def _family(self) -> list[tuple[str, Document]]:
        account = self._account()
        profiles = [self._profile(account["id"]) for _ in range(self._random.randint(1, 3))]
        account["UserProfileIds"] = ",".join(profile["id"] for profile in profiles)
        return [("Accounts", account), *(("UserProfiles", profile) for profile in profiles)]

    def _account(self) -> Document:
        name = self._random.choice(_NAMES)
        id_ = self._id()
        now = self._now()
        return {
            "id": id_,
            "$type": "Account",
            "CompletedScenarioIds": [self._id() for _ in range(self._random.randint(0, 3))],
            "CreatedAt": now,
            "DisplayName": name,
            "Email": f"{id_[:8]}@example.com",
            "ExternalUserId": self._id(),
            "LastLoginAt": now,
            "Role": "Guest",
            "UserProfileIds": "",
            "Settings": {
                "CacheCredentials": True,
                "Id": self._id(),
                "NotificationsEnabled": True,
                "PreferredLanguage": "en",
                "RequireAuthOnStartup": False,
                "Theme": "Light",
            },
            "Subscription": {
                "EndDate": "9999-12-31T23:59:59.9999999",
                "Id": self._id(),
                "IsActive": True,
                "LastVerified": None,
                "ProductId": "",
                "PurchaseToken": None,
                "PurchasedScenarios": "",
                "StartDate": now,
                "Tier": "Free",
                "Type": 0,
                "ValidUntil": None,
            },
        }

    def _profile(self, account_id: str) -> Document:
        now = self._now()
        id_ = self._id()
        avatar = f"media/avatars/fox_{self._random.randint(1, 20):02}.png"
        return {
            "id": id_,
            "$type": "UserProfile",
            "AccountId": account_id,
            "AgeGroupName": self._random.choice(_AGE_GROUPS),
            "AvatarMediaId": avatar,
            "Bio": None,
            "CreatedAt": now,
            "DateOfBirth": f"20{self._random.randint(10, 20)}-{self._random.randint(1, 12):02}-04T00:00:00",
            "HasCompletedOnboarding": False,
            "IsGuest": False,
            "IsNpc": False,
            "Name": self._random.choice(_NAMES),
            "PreferredFantasyThemes": ",".join(self._random.sample(_THEMES, self._random.randint(0, 3))),
            "Pronouns": self._random.choice((None, "she/her", "he/him", "they/them")),
            "SelectedAvatarMediaId": avatar,
            "UpdatedAt": now,
            "EarnedBadges": [self._badge(id_) for _ in range(self._random.randint(0, 2))],
        }

    def _badge(self, profile_id: str) -> Document:
        axis = self._random.choice(_AXES)
        return {
            "Id": self._id(),
            "Axis": axis,
            "BadgeConfigurationId": f"badge_{axis.split()[0].lower()}_1",
            "BadgeId": self._id(),
            "BadgeMessage": "You took a breath first.",
            "BadgeName": "Calm Explorer",
            "EarnedAt": self._now(),
            "GameSessionId": self._id().replace("-", ""),
            "ImageId": "media/badges/calm_bronze.png",
            "ScenarioId": self._id(),
            "Threshold": 5.0,
            "TriggerValue": self._random.randint(10, 20) / 2,
            "UserProfileId": profile_id,
        }

    def _change_account(self, account: Document) -> None:
        account["LastLoginAt"] = self._now()
        if self._random.random() < 0.5:
            account["CompletedScenarioIds"] = [*account["CompletedScenarioIds"][-5:], self._id()]
        if self._random.random() < 0.1:
            account["Subscription"] |= {"PurchasedScenarios": f"{self._id()},{self._id()}", "Type": 2, "Tier": "Gold"}

    def _change_profile(self, profile: Document) -> None:
        profile["UpdatedAt"] = self._now()
        if self._random.random() < 0.5:
            profile["EarnedBadges"] = [*profile["EarnedBadges"][-5:], self._badge(profile["id"])]
        elif profile["EarnedBadges"]:
            profile["EarnedBadges"] = profile["EarnedBadges"][1:]
        profile["HasCompletedOnboarding"] = True

    def _id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _now(self) -> str:
        """Return the next moment of the sample's own clock, with .NET's seven digits."""
        self._clock += timedelta(milliseconds=self._random.randint(1, 60_000))
        return f"{self._clock:%Y-%m-%dT%H:%M:%S.%f}{self._random.randint(0, 9)}Z"


@dataclass(frozen=True)
class Source:
    """The source database, as an application would use it."""

    client: CosmosClient
    containers: Mapping[str, ContainerProxy]

    @classmethod
    def open(cls, connection: str, database: str) -> "Source":
        """Connect, and create the database and the containers where they are missing."""
        client = CosmosClient.from_connection_string(connection)
        proxy = client.create_database_if_not_exists(database)
        return cls(
            client, {name: proxy.create_container_if_not_exists(name, PartitionKey("/id")) for name in CONTAINERS}
        )

    def write(self, container: str, document: Document) -> Document:
        """Upsert one document and return it as the source keeps it."""
        return dict(self.containers[container].upsert_item(document))

    def count(self, container: str) -> int:
        """Count the documents of a container."""
        proxy = self.containers[container]
        counts: list[Any] = [
            next(iter(proxy.query_items("SELECT VALUE COUNT(1) FROM c", feed_range=feed_range)))
            for feed_range in proxy.read_feed_ranges()
        ]
        return sum(counts)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def write_changes(sample: Sample, source: Source, *, per_second: float, seconds: float) -> Iterator[int]:
    """Write changes at a steady pace for a while; yield how many were written so far."""
    start = time.monotonic()
    for number in range(int(per_second * seconds)):
        time.sleep(max(0.0, start + number / per_second - time.monotonic()))
        source.write(*sample.change())
        yield number + 1


def _setting(name: str, default: str) -> str:
    path = Path("local.settings.json")
    values = json.loads(path.read_text(encoding="utf-8-sig"))["Values"] if path.exists() else {}
    return str(os.environ.get(name) or values.get(name) or default)


def _count(text: str) -> int:
    return int(_positive(text))


def _positive(text: str) -> float:
    if not 0 <= float(text) < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more")
    return float(text)


def main() -> int:
    """Write documents, then changes, into the database that COSMOS_CONNECTION and COSMOS_DATABASE name.

    They come from the environment or from local.settings.json; by default it is the local Cosmos server on port 8081.
    """
    parser = argparse.ArgumentParser(prog="python -m local.sample", description=main.__doc__)
    parser.add_argument("--documents", type=_count, required=True, metavar="N", help="how many documents to write")
    parser.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed writes the same documents")
    parser.add_argument(
        "--changes-per-second", type=_positive, default=0.0, metavar="R", help="then change them at this pace"
    )
    parser.add_argument("--seconds", type=_positive, default=10.0, metavar="T", help="for this long (default: 10)")
    arguments = parser.parse_args()
    try:
        source = Source.open(_setting("COSMOS_CONNECTION", EMULATOR), _setting("COSMOS_DATABASE", DATABASE))
    except (AzureError, ValueError) as error:
        where = f"COSMOS_CONNECTION, by default {EMULATOR.partition(';')[0]}"
        print(f"Cosmos cannot be used ({type(error).__name__}): check {where}.", file=sys.stderr)
        return 1
    sample = Sample(arguments.seed)
    for document in sample.create(arguments.documents):
        source.write(*document)
    print(f"{arguments.documents} documents written")
    if arguments.changes_per_second and sample.documents:
        changes = list(
            write_changes(sample, source, per_second=arguments.changes_per_second, seconds=arguments.seconds)
        )
        print(f"{len(changes)} changes written")
    source.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
