"""The profile as a table for the terminal."""

from collections.abc import Iterator, Mapping, Sequence

from cdc.modelling.profile import Facts, Hazard, NumberFacts, Profile, Source, TextFacts, TypeProfile

_HEAD = ("path", "there", "types", "what", "look out")
_WIDEST = (60, 6, 24, 56)
# A text or number with at most so many different values may be one of a list.
_FEW = 20
_MANY = 50
# A part of the time between the oldest and the youngest document.
_NOTABLE = 0.2


def write(profile: Profile) -> str:
    """Return the whole profile as text."""
    names = ", ".join(profile.type_properties) or "none was found, so all documents count as one type"
    lines = [_describe_source(profile.source), f"type property: {names}"]
    for each in profile.types:
        lines += ["", *_write_type(each, named=bool(profile.type_properties))]
    if profile.left_out:
        lines += [
            "",
            f"{profile.left_out} properties were not looked at: the documents have too many or too deep paths.",
        ]
    return "\n".join(lines)


def _describe_source(source: Source) -> str:
    of = "" if source.documents is None else f" of {source.documents}"
    parts = [f"{source.name}: {source.read}{of} documents{', all' if source.complete else ''}"]
    if source.feed_ranges is not None:
        parts.append(f"from {source.feed_ranges} feed ranges")
    if source.oldest_days is not None:
        parts.append(f"written {source.youngest_days:g} to {source.oldest_days:g} days ago")
    if source.request_units is not None:
        parts.append(f"for {source.request_units:.0f} request units")
    return ", ".join(parts)


def _write_type(each: TypeProfile, *, named: bool) -> Iterator[str]:
    key = each.key
    about = "" if key.exact else "about "
    ids = f"{about}{key.repeated} ids occur in several documents" if key.repeated else f"{about}{key.ids} different ids"
    name = each.name or ("no type" if named else "documents")
    yield f"{name}: {each.documents} documents, {ids}"
    if key.without_partition_key:
        yield f"  {key.without_partition_key} documents have no partition key"
    paths = [(path, facts) for path, facts in each.root.walk() if path != "$" or facts.spellings or facts.unnamed]
    rows = [_HEAD, *(_write_path(path, facts, each.root) for path, facts in paths)]
    widths = [min(most, max(len(row[column]) for row in rows)) for column, most in enumerate(_WIDEST)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  " + "  ".join([*cells, row[-1]]).rstrip()


def _write_path(path: str, facts: Facts, root: Facts) -> Sequence[str]:
    share = 100 * facts.present / facts.parents if facts.parents else 0
    there = f"{min(share, 99) if facts.present < facts.parents else share:.0f} %"
    kinds = ", ".join(_write_counts({str(kind): count for kind, count in facts.kinds.items()}))
    spelled = [f"spelled {' and '.join(names)}" for names in facts.spellings]
    hazards = [hazard for hazard in facts.hazards if hazard is not Hazard.SPELLINGS]
    suspicions = [f"personal? {suspicion}" for suspicion in facts.suspicions]
    look_out = [*hazards, *spelled, *_compare_ages(facts, root), *suspicions]
    return path, there, kinds, "; ".join(_describe(facts)), ", ".join(look_out)


def _compare_ages(facts: Facts, root: Facts) -> Iterator[str]:
    """Say that only old or only new documents have a property: it was renamed, or is new."""
    oldest, youngest = root.oldest_days, root.youngest_days
    if None in (oldest, youngest, facts.oldest_days, facts.youngest_days) or facts.present < _FEW:
        return
    notable = ((oldest or 0) - (youngest or 0)) * _NOTABLE
    if (facts.youngest_days or 0) - (youngest or 0) > notable:
        yield f"not in the last {facts.youngest_days:.0f} days"
    if (oldest or 0) - (facts.oldest_days or 0) > notable:
        yield f"only in the last {facts.oldest_days:.0f} days"


def _write_counts(counts: Mapping[str, int]) -> list[str]:
    """Return the names, the most frequent first, and shares where there are several."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda each: -each[1])
    if len(ordered) == 1:
        return [ordered[0][0]]
    return [f"{name} {max(1, round(100 * count / total))}%" for name, count in ordered]


def _describe(facts: Facts) -> Iterator[str]:
    if facts.is_dictionary:
        yield "partly a dictionary" if facts.fields else "dictionary"
    if facts.unnamed:
        yield f"{facts.unnamed} names that one document has"
    if facts.arrays is not None:
        key = "" if facts.arrays.item_key is None else f", key {facts.arrays.item_key}"
        key += f" (which repeats in {facts.arrays.repeating})" if facts.arrays.repeating else ""
        yield f"{'0 ' if facts.arrays.empty else ''}to {facts.arrays.largest} items{key}"
    if facts.texts is not None:
        yield from _describe_texts(facts.texts)
    if facts.numbers is not None:
        yield from _describe_numbers(facts.numbers, facts.kinds.get("number"))
    yield from _describe_distinct(facts)


def _describe_texts(texts: TextFacts) -> Iterator[str]:
    yield ", ".join(_write_counts({str(form): count for form, count in texts.forms.items()}))
    shortest = f"{texts.shortest} to " if texts.shortest < texts.longest else ""
    yield f"{shortest}{texts.longest} characters"
    if texts.fractions.keys() - {0}:
        yield f"fractions of {'/'.join(map(str, texts.fractions))} digits"


def _describe_numbers(numbers: NumberFacts, count: int | None) -> Iterator[str]:
    decimals = f" and {numbers.digits_after} decimals" if numbers.fractional else ", whole"
    yield f"to {max(1, numbers.digits_before)} digits{decimals}"
    if numbers.epochs and sum(numbers.epochs.values()) == count:
        yield f"may be epoch {'/'.join(numbers.epochs)}"


def _describe_distinct(facts: Facts) -> Iterator[str]:
    distinct = facts.distinct
    if distinct is None or facts.present < _MANY:
        return
    if distinct.exact and distinct.values <= _FEW:
        yield f"{distinct.values} different"
    elif not distinct.repeated:
        yield "each different" if distinct.exact else "probably each different"
