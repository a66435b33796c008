"""Choose the types of a profile that get a mapper."""

from cdc.core.errors import RequestError
from cdc.modelling.odd_values import set_aside
from cdc.modelling.ordering import order_types
from cdc.modelling.profile import Profile, TypeProfile


def choose_types(profile: Profile) -> tuple[list[TypeProfile], list[str]]:
    """Return the types that can be mapped, without odd values, and notes about the other documents."""
    named = [each for each in profile.types if each.name is not None and each.name != "other"]
    if not named:
        named = [each for each in profile.types if each.name is None]
    left = [each for each in profile.types if each not in named]
    if not named:
        raise RequestError("The profile has no type that can be mapped.")
    notes = []
    for each in left:
        what = "name no type" if each.name is None else "have a type whose name is not shown"
        mapped = each.name is None and len(named) == 1
        notes.append(
            f"{each.documents} documents {what}: they are {'mapped like the others' if mapped else 'unmapped'}."
        )
    return order_types([each.model_copy(update={"root": set_aside(each.root)}) for each in named]), notes
