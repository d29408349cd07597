"""The field types of the public records: what a value may be, and the limits. `schema.py` puts them together.

Lengths count characters here; `decode.py` counts the bytes of ids. Lists and maps are given up at their first fault
(`fail_fast`): a record of 256 kB has room for 80,000 faults, and telling all of them takes a second and 400 MB.
"""

from typing import Annotated

from pydantic import Field

__all__ = [
    "MAX_AMOUNT",
    "MAX_CONTEXT",
    "MAX_DWELL_S",
    "MAX_FIELDS",
    "MAX_ID_BYTES",
    "MAX_ITEMS",
    "MAX_NUMBER",
    "MAX_QUERY_CHARS",
    "MAX_RECORD_BYTES",
    "MAX_SAFE_INT",
    "MAX_TEXT_CHARS",
    "MAX_VECTOR",
    "Amount",
    "Context",
    "ContextValue",
    "EventId",
    "FieldValue",
    "Id",
    "ItemId",
    "Number",
    "Position",
    "Quantity",
    "Query",
    "SlateId",
    "Surface",
    "TimeMs",
    "UserId",
    "Vector",
]

MAX_ID_BYTES = 256
MAX_ITEMS = 500
MAX_RECORD_BYTES = 256_000
MAX_QUERY_CHARS = 1024
MAX_VECTOR = 4096
# Of a title, or of one value of the context: a page address with all its parameters.
MAX_TEXT_CHARS = 4096
MAX_CONTEXT, MAX_FIELDS = 64, 256
# Integers that every JSON reader keeps exact.
MAX_SAFE_INT = 2**53 - 1
# Amounts end up in float32 arrays and their sums; beyond this they are a mistake of the sender.
MAX_AMOUNT = 1e12
MAX_NUMBER = 1e15
# A heartbeat that claims more than a week on one page is a broken clock.
MAX_DWELL_S = 604_800.0

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_BYTES, description="1 to 256 bytes of UTF-8")]
ItemId = Annotated[
    str, Field(min_length=1, max_length=MAX_ID_BYTES, description="id of a catalogue item, 1 to 256 bytes")
]
SlateId = Annotated[
    str, Field(min_length=1, max_length=MAX_ID_BYTES, description="the list that the item was shown in")
]
Surface = Annotated[
    str, Field(min_length=1, max_length=MAX_ID_BYTES, description="where on the site: home, search, cart")
]
EventId = Annotated[
    str, Field(min_length=1, max_length=MAX_ID_BYTES, description="unique per user; a repeated one is counted once")
]
UserId = Annotated[str, Field(min_length=1, max_length=MAX_ID_BYTES, description="who; also the key of the record")]
TimeMs = Annotated[int, Field(ge=0, le=MAX_SAFE_INT, description="when it happened, milliseconds since the epoch")]
Position = Annotated[int, Field(ge=0, le=2**31 - 1, description="place in the list, from 0")]
Amount = Annotated[float, Field(ge=0, le=MAX_AMOUNT, description="in the one currency of the deployment")]
Quantity = Annotated[int, Field(ge=0, le=1_000_000, description="pieces")]
Number = Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
Query = Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARS, description="the words as typed")]
# Tried in this order: half the cost of pydantic's search for the best match (0.6 instead of 1.05 us per event).
ContextValue = Annotated[
    Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
    | bool
    | Annotated[int, Field(ge=-MAX_SAFE_INT, le=MAX_SAFE_INT)]
    | Number
    | None,
    Field(union_mode="left_to_right"),
]
Context = Annotated[
    dict[Annotated[str, Field(max_length=MAX_ID_BYTES)], ContextValue],
    Field(
        max_length=MAX_CONTEXT,
        fail_fast=True,
        description="circumstances: device, locale, referrer, or whatever the site knows",
    ),
]

FieldValue = (
    Annotated[str, Field(max_length=MAX_RECORD_BYTES)]
    | Number
    | Annotated[
        list[Annotated[str, Field(max_length=MAX_ID_BYTES)] | Number], Field(max_length=MAX_VECTOR, fail_fast=True)
    ]
)
Vector = Annotated[list[Number], Field(min_length=1, max_length=MAX_VECTOR, fail_fast=True)]
