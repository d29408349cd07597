"""The public contract of `events` and `catalogue`: one TypedDict per kind of record, read by pydantic-core alone.

Strict: a number in quotes, a null or a fraction where an integer is needed is refused; unknown fields are ignored.
TypedDicts, because plain dicts cost half of what model objects cost to make, and the engine reads each field once.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from streams.events.field_types import (
    MAX_DWELL_S,
    MAX_FIELDS,
    MAX_ID_BYTES,
    MAX_ITEMS,
    MAX_RECORD_BYTES,
    MAX_SAFE_INT,
    MAX_TEXT_CHARS,
    Amount,
    Context,
    EventId,
    FieldValue,
    Id,
    ItemId,
    Number,
    Position,
    Quantity,
    Query,
    SlateId,
    Surface,
    TimeMs,
    UserId,
    Vector,
)

__all__ = [
    "EVENT_TYPES",
    "Cancel",
    "Cart",
    "CatalogueItem",
    "Click",
    "Dislike",
    "Dwell",
    "Event",
    "Forget",
    "Impression",
    "Order",
    "PublicEvent",
    "Rank",
    "RankItem",
    "Search",
    "ShownItem",
    "View",
    "Watermark",
]

_closed = with_config(ConfigDict(extra="ignore", strict=True, allow_inf_nan=False))


class _Common(TypedDict):
    event_id: EventId
    user_id: UserId
    occurred_at_ms: TimeMs
    session_id: NotRequired[Id]
    context: NotRequired[Context]


class _OneItem(_Common):
    item_id: ItemId
    slate_id: NotRequired[SlateId]


@_closed
class ShownItem(TypedDict):
    """One item that the user really saw."""

    item_id: ItemId
    position: Position


@_closed
class Impression(_Common):
    """Items of one slate that the user really saw; several events of one `slate_id` are merged."""

    type: Literal["impression"]
    slate_id: SlateId
    surface: Surface
    items: Annotated[list[ShownItem], Field(min_length=1, max_length=MAX_ITEMS, fail_fast=True)]


@_closed
class Click(_OneItem):
    """The item was opened from a slate."""

    type: Literal["click"]


@_closed
class View(_OneItem):
    """The item's own page was opened, from anywhere."""

    type: Literal["view"]


@_closed
class Dwell(_OneItem):
    """Attention on an opened item. Heartbeats are allowed: a later one replaces the earlier."""

    type: Literal["dwell"]
    dwell_s: Annotated[float, Field(ge=0, le=MAX_DWELL_S, description="seconds so far, at most a week")]
    is_final: NotRequired[Annotated[bool, Field(description="false: the visit goes on; left out means true")]]


@_closed
class Cart(_OneItem):
    """The item was put into the cart."""

    type: Literal["cart"]
    price: NotRequired[Amount]
    quantity: NotRequired[Quantity]


@_closed
class Order(_OneItem):
    """The item was bought; one event per item of an order."""

    type: Literal["order"]
    price: NotRequired[Amount]
    quantity: NotRequired[Quantity]


@_closed
class Cancel(_OneItem):
    """The order of this item was called off or the item was sent back."""

    type: Literal["cancel"]


@_closed
class Dislike(_OneItem):
    """The user does not want to see the item."""

    type: Literal["dislike"]


@_closed
class Search(_Common):
    """The user typed a query."""

    type: Literal["search"]
    query: Query


@_closed
class RankItem(TypedDict):
    """One candidate that the site names itself."""

    item_id: ItemId
    price: NotRequired[Amount]
    relevance: NotRequired[Annotated[Number, Field(description="the site's own score, any scale")]]
    position: NotRequired[Position]


@_closed
class Rank(_Common):
    """A request for a ranked list; the answer on `rankings` has `slate_id` = `request_id`."""

    type: Literal["rank"]
    request_id: Id
    surface: Surface
    query: NotRequired[Query]
    items: NotRequired[Annotated[list[RankItem], Field(min_length=1, max_length=MAX_ITEMS, fail_fast=True)]]
    exclude: NotRequired[
        Annotated[list[ItemId], Field(max_length=MAX_ITEMS, fail_fast=True, description="never in the answer")]
    ]
    k: NotRequired[Annotated[int, Field(ge=1, le=MAX_ITEMS, description="length of the answer")]]
    deadline_ms: NotRequired[
        Annotated[
            int, Field(ge=0, le=MAX_SAFE_INT, description="an older request is skipped; counted from append time")
        ]
    ]
    explain: NotRequired[Annotated[bool, Field(description="the answer says why its first items are there")]]


@_closed
class Forget(_Common):
    """Remove everything that is known of the user."""

    type: Literal["forget"]


@_closed
class Watermark(TypedDict):
    """Internal: event time has reached `occurred_at_ms` on this partition. Written by `replay --close-windows`."""

    type: Literal["watermark"]
    event_id: EventId
    user_id: Literal[""]
    occurred_at_ms: TimeMs


PublicEvent = Annotated[
    Impression | Click | View | Dwell | Cart | Order | Cancel | Dislike | Search | Rank | Forget,
    Field(discriminator="type"),
]
Event = Annotated[
    Impression | Click | View | Dwell | Cart | Order | Cancel | Dislike | Search | Rank | Forget | Watermark,
    Field(discriminator="type"),
]
EVENT_TYPES = (
    "impression", "click", "view", "dwell", "cart", "order", "cancel", "dislike", "search", "rank", "forget",
)  # fmt: skip


@_closed
class CatalogueItem(TypedDict):
    """What the site knows of an item. A record replaces the one before; an empty record removes the item."""

    item_id: ItemId
    kind: NotRequired[Annotated[Literal["product", "coupon", "ad"], Field(description="left out means product")]]
    title: NotRequired[Annotated[str, Field(max_length=MAX_TEXT_CHARS)]]
    category: NotRequired[Id]
    brand: NotRequired[Id]
    tags: NotRequired[Annotated[list[Id], Field(max_length=MAX_ITEMS, fail_fast=True)]]
    price: NotRequired[Amount]
    text: NotRequired[Annotated[str, Field(max_length=MAX_RECORD_BYTES)]]
    vector: NotRequired[Vector]
    image_vector: NotRequired[Vector]
    in_stock: NotRequired[Annotated[bool, Field(description="left out means true")]]
    bid: NotRequired[Annotated[Amount, Field(description="what an advertiser pays per click")]]
    fields: NotRequired[
        Annotated[
            dict[Annotated[str, Field(min_length=1, max_length=MAX_ID_BYTES)], FieldValue],
            Field(
                max_length=MAX_FIELDS,
                fail_fast=True,
                description="any further field: a string, a number or a list of them",
            ),
        ]
    ]
