"""What a campaign plants among orders, refunds and visits."""

from collections.abc import Iterable, Iterator, Sequence

from campaigns.example.sample import make_line, make_order, make_refund, make_visit
from campaigns.planted import Breach, Case, Good, Planter, Spoil, Write
from local.sample.values import Document


class ShopPlanter(Planter):
    """Plants orders, refunds and visits."""

    rules = """
create unique index uix_refunds_order on refunds (order_id);
create index ix_orders_labels on orders (labels);
alter table refunds add constraint fk_refunds_orders foreign key (order_id) references orders (id);
alter table order_lines add constraint fk_order_lines_orders foreign key (order_id) references orders (id);
alter table orders add constraint ck_orders_total check (total >= 0);
"""

    @property
    def poisons(self) -> Sequence[tuple[Good, Spoil]]:
        """Return every kind of poison, by type."""
        order, refund, visit = self._good_order, self._good_refund, self._good_visit
        return (
            (order, lambda _: {"total": "12.345"}),
            (order, lambda _: {"total": None}),
            (order, lambda _: {"total": -1}),  # only PostgreSQL knows
            (order, lambda _: {"placedAt": "yesterday"}),
            (order, lambda _: {"status": "lost"}),
            (order, lambda _: {"labels": [f"{self._mark()}\0"]}),
            (order, lambda _: {"labels": [self._long_text()]}),  # only PostgreSQL knows
            (order, lambda _: {"payment": {"holder": f"{self._mark()}\0"}}),
            (
                order,
                lambda it: {"lines": [*it["lines"], it["lines"][0] | {"lineId": it["lines"][0]["lineId"].upper()}]},
            ),
            (order, lambda _: {"lines": [{"lineId": self._mark()}]}),
            (refund, lambda _: {"amount": 10**10}),
            (refund, lambda _: {"amount": True}),
            (refund, lambda _: {"paidAt": "2026-02-30"}),
            (refund, lambda _: {"type": ["refund"]}),
            (visit, lambda _: {"seconds": 0.5}),
            (visit, lambda _: {"type": 7}),
        )

    @property
    def breaches(self) -> Sequence[Breach]:
        """Return every kind of breach."""
        return (
            self._break_unique, self._break_parent, self._break_row_key, self._break_key_of_two_columns,
            self._break_key_by_type, self._change_type,
        )  # fmt: skip

    def make_hot(self) -> Write:
        """Return an order."""
        return "orders", self._order()

    def adapt(self, container: str, document: Document) -> Write:
        """Let labels and payments carry the marker."""
        if document.get("labels"):
            document["labels"] = [f"{self._marker} {label}" for label in document["labels"]]
        if isinstance(document.get("payment"), dict):
            document["payment"] |= {"holder": self._marker, "email": f"{self._marker}@example.com"}
        return container, document

    def restore(self, documents: Iterable[Write]) -> Iterator[Write]:
        """Let every order that a refund names be an order again."""
        documents = list(documents)
        named = {document.get("orderId") for _, document in documents}
        for container, document in documents:
            if document["id"] in named and (document["deletedAt"] or document["type"] != "order"):
                document |= {"deletedAt": None, "type": "order"}
                yield container, document

    def _order(self, customer: str | None = None) -> Document:
        order = make_order(self._values, customer or self._customer())
        lines = [make_line(self._values), make_line(self._values)]
        payment = {"cardNumber": f"secret-{self._values.guid()}", "holder": self._mark()}
        return order | {"labels": [self._mark()], "payment": payment, "lines": lines}

    def _customer(self) -> str:
        return f"customer-{self._values.guid()}"

    def _refund(self, order: Document) -> Document:
        return make_refund(self._values, order["customerId"], order["id"])

    def _good_order(self) -> tuple[Write, tuple[Write, ...]]:
        return ("orders", self._order()), ()

    def _good_refund(self) -> tuple[Write, tuple[Write, ...]]:
        order = self._order()
        return ("orders", self._refund(order)), (("orders", order),)

    def _good_visit(self) -> tuple[Write, tuple[Write, ...]]:
        return ("visits", make_visit(self._values, self._customer())), ()

    def _break_unique(self, *, lasting: bool) -> Case:
        """Refund an order twice; later one of the two is of another order, or of none."""
        order, other = self._order(), self._order()
        orders = (("orders", order), ("orders", other))
        holder, claimant = self._refund(order), self._refund(order)
        second = "orders", claimant
        if lasting:
            return Case((second,), first=(*orders, ("orders", holder)), parked=second)
        healed = self._dice.choice((holder, claimant)) | {"orderId": self._dice.choice((other["id"], None))}
        return Case((("orders", holder), second, ("orders", healed)), first=orders)

    def _break_parent(self, *, lasting: bool) -> Case:
        order = self._order()
        child = "orders", self._refund(order)
        return Case((child,), parked=child) if lasting else Case((child, ("orders", order)))

    def _break_row_key(self, *, lasting: bool) -> Case:
        """Write one id for two customers; later one of the two becomes a document without rows."""
        holder = self._order()
        second = "orders", holder | {"customerId": self._customer(), "labels": [self._mark()]}
        if lasting:
            return Case((second,), first=(("orders", holder),), parked=second)
        gone = "orders", holder | self._dice.choice(({"type": "quote"}, {"deletedAt": 1_766_000_000}))
        return Case((("orders", holder), second, gone))

    def _break_key_of_two_columns(self, *, lasting: bool) -> Case:
        """Write one id for two visitors of a tenant, and for one of another tenant, who is never in the way."""
        holder = make_visit(self._values, self._customer())
        second = "visits", holder | {"visitorId": self._customer(), "seconds": 7}
        elsewhere = "visits", holder | {"tenantId": "elsewhere"}
        if lasting:
            return Case((elsewhere, second), first=(("visits", holder),), parked=second)
        return Case((("visits", holder), second, elsewhere, ("visits", holder | {"type": "import"})))

    def _break_key_by_type(self, *, lasting: bool) -> Case:
        """Let an order and a refund have one id, until the refund becomes an order as well."""
        order = self._order()
        refund = make_refund(self._values, self._customer(), None) | {"id": order["id"]}
        second = "orders", refund | {"type": "order", "total": 1}
        if lasting:
            return Case((second,), first=(("orders", order), ("orders", refund)), parked=second)
        return Case((("orders", order), ("orders", refund), second, ("orders", refund)))

    def _change_type(self, *, lasting: bool) -> Case:
        """Let an order with lines become a refund, or what nobody maps; where it does not last, it comes back."""
        order = self._order()
        types = ("refund", f"Other{self._dice.randrange(30)}", self._mark())
        versions = (order, order | {"type": self._dice.choice(types), "amount": 1}, order)
        return Case(tuple(("orders", each) for each in versions[: 2 if lasting else 3]))
