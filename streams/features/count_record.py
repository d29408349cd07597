"""What is counted of an item, and the record of its counts by one source: on `item-counts` and in a partition's state.

A record is absolute, so repeating it changes nothing, and says with the offset of its last event how new it is.
"""

from typing import Annotated

import msgspec

from models.feature_schema import EVENT_KINDS, HORIZONS

__all__ = ["NUM_DECAYED", "NUM_TOTALS", "TOTALS", "TOTAL_OF_KIND", "CountRecord", "decode_counts"]

TOTALS: tuple[str, ...] = ("impressions", "views", "clicks", "carts", "orders", "dwell_ms")
NUM_TOTALS, NUM_DECAYED = len(TOTALS), len(HORIZONS) * len(EVENT_KINDS)
# Column of `totals` that an event kind adds to; a dislike has only decayed counters.
TOTAL_OF_KIND: tuple[int, ...] = tuple(TOTALS.index(f"{kind}s") if f"{kind}s" in TOTALS else -1 for kind in EVENT_KINDS)
# What the arrays that take the numbers can hold.
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class CountRecord(msgspec.Struct):
    """`decayed`: by horizon, then kind, as of `at_ms`; `neighbours`: items co-clicked, by id, with their weights."""

    offset: _Int64
    totals: Annotated[list[_Int64], msgspec.Meta(min_length=NUM_TOTALS, max_length=NUM_TOTALS)]
    decayed: Annotated[list[float], msgspec.Meta(min_length=NUM_DECAYED, max_length=NUM_DECAYED)]
    at_ms: _Int64
    neighbours: list[tuple[str, float]]
    neighbours_at_ms: _Int64


_DECODER = msgspec.json.Decoder(CountRecord)


def decode_counts(raw: bytes) -> CountRecord:
    """Raises ValueError, saying what is wrong and where, for what is no record of counts."""
    return _DECODER.decode(raw)
