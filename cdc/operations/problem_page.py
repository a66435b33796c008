"""The page of the docs that says what each problem means."""

from cdc.operations.problems import Code

_INTRODUCTION = """\
# Problems

> `python -m cdc problems` writes this page from the table in `cdc/operations/problems.py`; a test holds them equal.

`GET /api/status` and `python -m cdc status` list what is wrong now ([operations.md](operations.md#the-one-look)). Each
problem has one of these codes, and most have a message that says more than this page.

| severity | meaning | `health/ready` |
| --- | --- | --- |
| `stopped` | changes do not arrive, or were lost, until somebody acts or a store comes back | 503 |
| `degraded` | something needs a person soon, and the changes of some containers may not arrive | 200 |
| `note` | worth knowing; the verdict stays as it is | 200 |
"""


def write_page() -> str:
    """Return the page of the docs."""
    paragraphs = [f"## {code}\n\n*{code.severity}.* {code.meaning}\n\n**What to do:** {code.remedy}\n" for code in Code]
    return "\n".join([_INTRODUCTION, *paragraphs])
