"""Tables and arrays of the same things find each other by their names."""

import pytest

from cdc.modelling.naming import plural, singular
from cdc.modelling.table_names import list_names, stem

WORDS = {
    "expense": "expenses",
    "purchase": "purchases",
    "course": "courses",
    "case": "cases",
    "house": "houses",
    "clause": "clauses",
    "size": "sizes",
    "address": "addresses",
    "box": "boxes",
    "batch": "batches",
    "status": "statuses",
    "bus": "buses",
    "alias": "aliases",
    "category": "categories",
    "image": "images",
}


@pytest.mark.parametrize(("one", "many"), WORDS.items())
def test_a_word_has_one_of_each(one, many):
    """A table is called as the array is, and a class as one of its items."""
    assert (singular(many), plural(one), singular(one), plural(many)) == (one, many, one, many)


@pytest.mark.parametrize("array", [*WORDS, *WORDS.values(), "preise", "excuses", "caches", "quizzes", "news"])
@pytest.mark.parametrize("table", ["{}", "orders_{}", "order_{}"])
def test_a_table_is_found_by_the_name_of_its_array(array, table):
    """Also in another language, and where the letters tell the singular wrong."""
    assert stem(array) in map(stem, list_names(table.format(array), "orders"))
