"""Profile documents by their type, in bounded memory."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cdc.core.documents import JsonObject
from cdc.core.feed_items import partition_key
from cdc.core.mapping import OTHER_TYPE
from cdc.modelling.facts import describe
from cdc.modelling.nodes import Node, Space
from cdc.modelling.profile import TYPE_NAME, KeyFacts, Profile, Source, TypeProfile
from cdc.modelling.renames import Alikes
from cdc.modelling.sketch import Owners

# Properties that tell types apart, the surest first; those of the second line only if the types differ in shape.
_SURE = (
    *("$type", "Discriminator", "discriminator", "__type", "_type", "_t", "@type", "objectType"),
    *("docType", "doctype", "DocType", "documentType", "DocumentType", "document_type"),
    *("entityType", "EntityType", "entity_type"),
)
_UNSURE = ("type", "Type", "kind", "Kind", "entity", "Entity", "schema")
_TYPES_AT_MOST = 50
_GROUPS_AT_MOST = 200
_LITTLE_SPACE = 2_000
# A file may have any number where Cosmos writes a document's time.
_TIMES = range(2**40)
_MOST = 0.9
_ALIKE = 0.7
_OFTEN = 0.1
_IDS_AT_MOST = 50_000
_SYSTEM = frozenset(("_rid", "_self", "_etag", "_attachments", "_ts", "_lsn"))

# The values of the properties that may tell the type, in a document.
_Values = tuple[tuple[str, str], ...]


@dataclass
class _Group:
    """Documents that have the same values in all properties that may tell their type."""

    root: Node = field(default_factory=Node)
    alikes: Alikes = field(default_factory=Alikes)
    ids: Owners = field(default_factory=lambda: Owners(_IDS_AT_MOST))
    # By the part of the id before its first bar.
    prefixes: Counter[str] = field(default_factory=Counter)
    without_partition_key: int = 0

    def merge(self, other: "_Group") -> None:
        self.root.merge(other.root)
        self.alikes.merge(other.alikes)
        self.ids.merge(other.ids)
        self.prefixes += other.prefixes
        self.without_partition_key += other.without_partition_key


class Profiler:
    """Looks at documents one by one; which property tells the type is decided at the end, by all of them."""

    def __init__(self, type_property: str | None = None, partition_key: Sequence[str] = ()) -> None:
        self.documents = 0
        self._given = type_property
        self._paths = partition_key
        self._candidates = [type_property] if type_property else [*_SURE, *_UNSURE]
        self._groups: dict[_Values, _Group] = {}
        self._space = Space()

    def see(self, document: JsonObject) -> None:
        """Look at one document."""
        self.documents += 1
        values = tuple(
            (name, value) for name in self._candidates if isinstance(value := document.get(name), str) and value
        )
        group = self._groups.get(values)
        if group is None:
            group = self._groups[values] = _Group()
        ts = document.get("_ts")
        self._space.ts = ts if isinstance(ts, int) and ts in _TIMES else None
        properties = {name: value for name, value in document.items() if name not in _SYSTEM}
        group.root.see(properties, self._space)
        group.alikes.see(properties)
        self._see_identity(group, document)
        if len(self._groups) > (_GROUPS_AT_MOST if self._space.nodes > _LITTLE_SPACE else _TYPES_AT_MOST):
            self._merge_groups()

    def build(self, source: Source, now: datetime | None = None) -> Profile:
        """Return the profile; the profiler cannot be used afterwards."""
        now = now or datetime.now(UTC)
        chosen = (self._given,) if self._given else self._choose()
        by_type: dict[str | None, _Group] = {}
        for values, group in self._groups.items():
            name = _find_name(chosen, values)
            shown = name if name is None or TYPE_NAME.fullmatch(name) else OTHER_TYPE
            if shown not in by_type and len(by_type) >= _TYPES_AT_MOST:
                shown = OTHER_TYPE
            if shown in by_type:
                by_type[shown].merge(group)
            else:
                by_type[shown] = group
        types = sorted(by_type.items(), key=lambda each: -each[1].root.present)
        described = tuple(_describe_type(name, group, int(now.timestamp())) for name, group in types)
        ages = [
            age for each in described for age in (each.root.youngest_days, each.root.oldest_days) if age is not None
        ]
        about = {
            "read": self.documents,
            "youngest_days": min(ages, default=None),
            "oldest_days": max(ages, default=None),
        }
        return Profile(
            format=1,
            made_at=now,
            source=source.model_copy(update=about),
            type_properties=chosen,
            types=described,
            left_out=self._space.left_out,
        )

    def _see_identity(self, group: _Group, document: JsonObject) -> None:
        id_ = document.get("id")
        if not isinstance(id_, str):
            return
        key = partition_key(self._paths, document) if self._paths else self.documents
        levels = key if isinstance(key, list) else [key]
        group.without_partition_key += {} in levels
        group.ids.add(id_, repr(key))
        prefix, bar, _ = id_.partition("|")
        if bar:
            group.prefixes[prefix[:100]] += 1
            if len(group.prefixes) > _GROUPS_AT_MOST:
                group.prefixes = Counter(dict(group.prefixes.most_common(_TYPES_AT_MOST)))

    def _merge_groups(self) -> None:
        """Make fewer groups: the property with the most values tells no type."""
        before = sum(group.root.count() for group in self._groups.values())
        values = {name: {dict(each).get(name) for each in self._groups} for name in self._candidates}
        worst = max(self._candidates, key=lambda name: len(values[name]))
        if self._given is None:
            self._candidates.remove(worst)
        common = Counter({each: group.root.present for each, group in self._groups.items()})
        kept = {each for each, _ in common.most_common(_TYPES_AT_MOST)}
        groups: dict[_Values, _Group] = {}
        for each, group in self._groups.items():
            if self._given is not None:
                key = each if each in kept else ((self._given, "?"),)  # no name of a type that is shown
            else:
                key = tuple(pair for pair in each if pair[0] != worst)
            if key in groups:
                groups[key].merge(group)
            else:
                groups[key] = group
        self._groups = groups
        self._space.nodes += before - sum(group.root.count() for group in groups.values())

    def _choose(self) -> tuple[str, ...]:
        sure: tuple[str, ...] = ()
        for name in self._candidates:
            if name in _SURE and any(self._find_groups((name,))) and not self._contradicts(name, sure):
                sure = (*sure, name)
        if sure and self._tells_types(sure):
            return sure
        unsure = [(name,) for name in self._candidates if name in _UNSURE]
        return next((names for names in unsure if self._tells_types(names, by_shape=True)), ())

    def _contradicts(self, name: str, chosen: Sequence[str]) -> bool:
        """Return whether a property says something else than those that name the type, such as what a type is about."""
        said: dict[str, set[str]] = {type_: set() for type_ in self._find_groups(chosen)}
        for values in self._groups:
            type_, value = _find_name(chosen, values), dict(values).get(name)
            if type_ is not None and value is not None:
                said[type_].add(value)
        several = any(len(values) > 1 for values in said.values())
        return several or any(value != type_ and value in said for type_, values in said.items() for value in values)

    def _find_groups(self, names: Sequence[str]) -> dict[str, list[_Group]]:
        found: dict[str, list[_Group]] = {}
        for values, group in self._groups.items():
            name = _find_name(names, values)
            if name is not None:
                found.setdefault(name, []).append(group)
        return found

    def _tells_types(self, names: Sequence[str], *, by_shape: bool = False) -> bool:
        found = self._find_groups(names)
        documents = sum(group.root.present for groups in found.values() for group in groups)
        if not found or documents < _MOST * self.documents or not all(map(TYPE_NAME.fullmatch, found)):
            return False
        if not by_shape or len(found) == 1:
            return True
        few = len(found) <= min(_TYPES_AT_MOST, documents / 2)
        return few and _differ([_shape(groups) for groups in found.values()])


def _find_name(properties: Sequence[str], values: _Values) -> str | None:
    by_property = dict(values)
    return next((by_property[name] for name in properties if name in by_property), None)


def _shape(groups: Iterable[_Group]) -> set[str]:
    """Return the names of the properties that documents often have."""
    counts: Counter[str] = Counter()
    documents = 0
    for group in groups:
        documents += group.root.present
        counts.update({name: child.present for name, child in group.root.fields.items()})
    return {name for name, count in counts.items() if count >= _OFTEN * documents}


def _differ(shapes: Sequence[set[str]]) -> bool:
    first, *others = shapes
    return any(len(first & other) < _ALIKE * len(first | other) for other in others)


def _describe_type(name: str | None, group: _Group, now: int) -> TypeProfile:
    documents = group.root.present
    ids = group.ids
    root = describe(group.root, now)
    return TypeProfile(
        name=name,
        documents=documents,
        key=KeyFacts(
            ids=ids.distinct,
            repeated=ids.shared,
            exact=ids.exact,
            prefixed=group.prefixes[name or ""],
            without_partition_key=group.without_partition_key,
        ),
        root=root.model_copy(update={"alike": group.alikes.describe(root.fields)}),
    )
