"""Customers who order: their orders, refunds and visits, and what becomes of them."""

import uuid
from collections.abc import Iterator

from campaigns.planted import Write
from local.sample.values import Document, Values

_TENANTS = ("north", "south", "west")
_STATUS = ("open", "paid", None)
# Values of deletedAt that mark nothing as deleted.
_UNDELETED = (None, "", False)
_EPOCH = 1_766_000_000


class ShopSample:
    """Documents of customers: orders with lines, refunds of some, and visits whose ids several tenants have."""

    def __init__(self, seed: int) -> None:
        self._values = Values(seed)
        self._random = self._values.random
        self.documents: list[Write] = []

    def create(self, count: int) -> Iterator[Write]:
        """Yield so many new documents with their containers."""
        while count > 0:
            for write in [*self._customer()][:count]:
                self.documents.append(write)
                yield write
                count -= 1

    def change(self) -> Write:
        """Change one of the documents and return it whole."""
        container, document = self._random.choice(self.documents)
        change_document(self._values, container, document)
        return container, document

    def delete(self) -> Write:
        """Choose a document to delete and return it; it is never changed again."""
        number = self._random.randrange(len(self.documents))
        self.documents[number], self.documents[-1] = self.documents[-1], self.documents[number]
        return self.documents.pop()

    def _customer(self) -> Iterator[Write]:
        customer = f"customer-{self._values.guid()}"
        for _ in range(self._random.randint(1, 3)):
            order = make_order(self._values, customer)
            yield "orders", order
            if self._values.chance(0.3):
                yield "orders", make_refund(self._values, customer, order["id"])
        for _ in range(self._random.randint(0, 2)):
            visit = make_visit(self._values, customer)
            for tenant in self._random.sample(_TENANTS, k=self._random.randint(1, 3)):
                yield "visits", visit | {"tenantId": tenant, "seconds": make_seconds(self._values)}


def make_order(values: Values, customer: str) -> Document:
    """Return an order with its lines."""
    return {
        "id": values.guid(),
        "customerId": customer,
        "type": "order",
        "total": make_money(values),
        "status": values.random.choice(_STATUS),
        "labels": _make_labels(values),
        "payment": make_payment(values),
        "placedAt": make_epoch(values),
        "deletedAt": None,
        "lines": [make_line(values) for _ in range(values.random.randint(0, 4))] or None,
    }


def make_refund(values: Values, customer: str, order: str | None) -> Document:
    """Return a refund of an order."""
    refund = {"id": values.guid(), "customerId": customer, "type": "refund", "orderId": order}
    return refund | {"amount": make_money(values), "paidAt": make_iso(values)}


def make_visit(values: Values, visitor: str) -> Document:
    """Return a visit of a tenant; it names no type, because its container has but one."""
    visit = {"id": f"visit-{values.guid()[:13]}", "tenantId": "north", "visitorId": visitor}
    return visit | {"seconds": make_seconds(values)}


def make_line(values: Values) -> Document:
    """Return a line of an order."""
    return {"lineId": values.guid(), "price": make_money(values)}


def make_money(values: Values) -> float | int | str:
    """Return an amount as a number or a text, with two digits after the point at most."""
    cents = values.random.choice((values.random.randrange(100_000), values.random.randrange(10**11)))
    return values.random.choice((cents // 100, cents / 100, f"{cents // 100}.{cents % 100:02}", f"{cents}e-2"))


def make_seconds(values: Values) -> int | str | None:
    """Return a whole number, also one that no double can hold."""
    return values.random.choice((values.random.randrange(86_400), f"{values.random.randrange(10**20)}", None))


def make_epoch(values: Values) -> float | int | None:
    """Return an instant as seconds since 1970, some with a fraction."""
    seconds = _EPOCH + values.random.randrange(10_000_000)
    return values.random.choice((seconds, seconds + values.random.randrange(1_000) / 1_000, None))


def make_iso(values: Values) -> str | None:
    """Return an instant in ISO 8601, of any precision."""
    now = values.now()
    return values.random.choice((now, f"{now[:23].rstrip('Z')}+02:00", f"{now[:16]}-05:30", now[:10], None))


def make_payment(values: Values) -> object:
    """Return any JSON; a card's number is a secret at every depth."""
    card = {"method": "card", "cardNumber": f"secret-{values.guid()}", "email": f"{values.guid()[:8]}@example.com"}
    parts = [{"share": 0.5, "card": card}, {"share": values.random.randrange(100) / 7, "card": {"card_number": 1}}]
    return values.random.choice((card, {"parts": parts}, parts, "cash", 12.5, True, None))


def change_document(values: Values, container: str, document: Document) -> None:
    """Let something happen to a document: mostly an edit, now and then another type or a soft delete."""
    if document.get("deletedAt"):
        document["deletedAt"] = values.random.choice(_UNDELETED)
    elif values.chance(0.04):
        document["deletedAt"] = make_epoch(values) or _EPOCH
    elif container == "visits":
        _change_visit(values, document)
    elif "total" not in document:  # a refund from the beginning
        document |= {"amount": make_money(values), "paidAt": make_iso(values)}
    elif document["type"] != "order":
        document["type"] = "order"
    elif values.chance(0.06):
        document |= {"type": "refund", "amount": make_money(values)}
    elif values.chance(0.04):
        document["type"] = "quote"
    else:
        _change_order(values, document)


def _change_visit(values: Values, visit: Document) -> None:
    if visit.pop("type", None) is None and values.chance(0.05):
        visit["type"] = "import"
    visit["seconds"] = make_seconds(values)


def _change_order(values: Values, order: Document) -> None:
    lines = order["lines"] or []
    if lines and values.chance(0.4):
        line = values.random.choice(lines)
        line |= {"price": make_money(values), "lineId": _spell(values, line["lineId"])}
    if lines and values.chance(0.2):
        lines.remove(values.random.choice(lines))
    if values.chance(0.3):
        lines = [*lines, make_line(values)][-6:]
    order |= {"lines": lines or None, "total": make_money(values), "status": values.random.choice(_STATUS)}
    if values.chance(0.2):
        order |= {"labels": _make_labels(values), "payment": make_payment(values), "placedAt": make_epoch(values)}


def _make_labels(values: Values) -> list[str] | None:
    return values.random.choice((None, [], [values.name()], [values.name(), 'a,b "c" {d}', ""]))


def _spell(values: Values, text: str) -> str:
    """Write a UUID in another way that means the same."""
    id_ = uuid.UUID(text)
    return values.random.choice((str(id_), str(id_).upper(), id_.hex))
