"""Another application, whose habits are others: the one of tests/example."""

from campaigns.application import Application, Contested, Damage, Steady
from campaigns.example.planted import ShopPlanter
from campaigns.example.sample import ShopSample
from tests.example import CONTAINERS, make_app

_LOSE_ROWS = (
    "delete from order_lines where jsonb_build_array(order_id) = any(%(rows)s::jsonb[])",
    "delete from orders where jsonb_build_array(id) = any(%(rows)s::jsonb[])",
    "delete from refunds where jsonb_build_array(id) = any(%(rows)s::jsonb[])",
)
_LOSE_VISITS = "delete from visits where jsonb_build_array(tenant_id, id) = any(%(rows)s::jsonb[])"
_FORGET = "delete from cdc.document where key = any(%(keys)s)"
# A victim is an order or a refund: each statement finds what is its own.
_LOSE_LINES = (
    "delete from order_lines where jsonb_build_array(order_id) = any(%(rows)s::jsonb[])",
    "update refunds set order_id = null where jsonb_build_array(id) = any(%(rows)s::jsonb[])",
)
_EDIT_MONEY = (
    "update orders set total = total + 1 where jsonb_build_array(id) = any(%(rows)s::jsonb[])",
    "update order_lines set price = price + 1 where jsonb_build_array(order_id) = any(%(rows)s::jsonb[])",
    "update refunds set amount = amount + 0.01 where jsonb_build_array(id) = any(%(rows)s::jsonb[])",
)
_EDIT_VISITS = "update visits set seconds = -1 where jsonb_build_array(tenant_id, id) = any(%(rows)s::jsonb[])"

EXAMPLE = Application(
    name="example",
    partition_keys=CONTAINERS,
    containers=tuple(CONTAINERS),
    extra=(),
    tables={"orders": ("orders", "order_lines", "refunds"), "visits": ("visits",)},
    type_property="type",
    make_app=make_app,
    make_sample=lambda seed, _: ShopSample(seed),
    make_planter=ShopPlanter,
    contested=Contested("orders", "orders", lambda order, number: order.update(total=number)),
    steady=Steady(CONTAINERS["visits"], lambda id_: {"id": id_, "tenantId": f"tenant-{id_[-1]}", "visitorId": id_}),
    damages=(
        Damage("orders", (*_LOSE_ROWS, _FORGET)),
        Damage("orders", _LOSE_ROWS),
        Damage("orders", _LOSE_LINES),
        Damage("orders", _EDIT_MONEY),
        Damage("visits", (_LOSE_VISITS, _FORGET)),
        Damage("visits", (_LOSE_VISITS,)),
        Damage("visits", (_EDIT_VISITS,)),
    ),
)
