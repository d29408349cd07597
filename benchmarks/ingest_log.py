"""The log of the ingest benchmark: what a shop's site sends, 10 % impressions of 20 items, and its catalogue.

Users and items are Zipf distributed (1 / (rank + 10)); an impression is followed by clicks on what it showed, each with
a dwell, by a cart, and by views of pages opened from anywhere. Event times overlap; one event in 200 comes twice.
"""

from collections.abc import Iterator

import numpy as np
import orjson
from numpy.typing import NDArray

from streams.kafka.bulk_sender import BulkRecord

__all__ = ["MIX", "NUM_ITEMS", "NUM_USERS", "OF_SLATE", "SLATE_ITEMS", "catalogue_records", "event_records"]

NUM_USERS = NUM_ITEMS = 100_000
SLATE_ITEMS, DRAWN_ITEMS = 20, 32
# Events of one slate, in order: an impression, and what follows it.
OF_SLATE = ("impression", "click", "click", "dwell", "dwell", "cart", "view", "view", "view", "view")
MIX = {kind: OF_SLATE.count(kind) / len(OF_SLATE) for kind in dict.fromkeys(OF_SLATE)}
EVENTS_PER_S, REPEATED_FRAC = 2_000, 0.005
MEAN_DELAY_S = {"impression": 0.0, "click": 4.0, "dwell": 4.0, "cart": 5.0, "view": 6.0}
# Slates begin until the log ends, so its mix is that of MIX from the first seconds to the last event.
TAIL_S = 60
ZIPF_OFFSET = 10


def catalogue_records(topic: str, seed: int) -> Iterator[BulkRecord]:
    """Every item, with values of all declared fields."""
    rng = np.random.default_rng(seed)
    prices = np.exp(rng.normal(3, 1, NUM_ITEMS)).round(2).tolist()
    brands = rng.integers(0, 500, NUM_ITEMS).tolist()
    tags, words = rng.integers(0, 1000, (NUM_ITEMS, 5)).tolist(), rng.integers(0, 5000, (NUM_ITEMS, 8)).tolist()
    for number in range(NUM_ITEMS):
        item = {
            "item_id": _item(number),
            "title": " ".join(f"word{word}" for word in words[number]),
            "category": f"category-{brands[number] % 50}",
            "brand": f"brand-{brands[number]}",
            "tags": [f"tag-{tag}" for tag in tags[number]],
            "price": prices[number],
        }
        yield BulkRecord(topic, item["item_id"], orjson.dumps(item))


def event_records(topic: str, num: int, seed: int, start_ms: int) -> Iterator[BulkRecord]:
    """`num` events in the order in which they reach the site's server; event times begin at `start_ms`."""
    rng = np.random.default_rng(seed)
    num_slates = (num + TAIL_S * EVENTS_PER_S) // len(OF_SLATE)
    users = _zipf(rng, NUM_USERS, num_slates).tolist()
    shown = _distinct(_zipf(rng, NUM_ITEMS, (num_slates, DRAWN_ITEMS)))
    clicked = np.minimum(rng.geometric(0.2, (num_slates, 2)) - 1, SLATE_ITEMS - 1)
    viewed = _zipf(rng, NUM_ITEMS, (num_slates, OF_SLATE.count("view")))
    at_ms = start_ms + _times_ms(rng, num_slates)
    for flat in _with_repeats(rng, np.argsort(at_ms.ravel(), kind="stable"))[:num].tolist():
        slate, which = divmod(flat, len(OF_SLATE))
        kind, user = OF_SLATE[which], f"user-{users[slate]:06d}"
        head = (
            f'{{"event_id":"e-{flat:012d}","type":"{kind}","user_id":"{user}",'
            f'"occurred_at_ms":{at_ms[slate, which]},"session_id":"session-{slate:08d}"'
        )
        if kind == "impression":
            items = ",".join(f'{{"item_id":"{_item(i)}","position":{k}}}' for k, i in enumerate(shown[slate].tolist()))
            rest = f'"slate_id":"slate-{slate:010d}","surface":"home","context":{{"device":"mobile"}},"items":[{items}]'
        elif kind == "view":
            rest = f'"item_id":"{_item(viewed[slate, which - OF_SLATE.index("view")])}"'
        else:
            item = shown[slate, clicked[slate, which % 2]]  # a dwell or cart is of the click before it that is alike
            rest = f'"slate_id":"slate-{slate:010d}","item_id":"{_item(item)}"' + _details(kind, flat)
        yield BulkRecord(topic, user, f"{head},{rest}}}".encode())


def _item(number: int) -> str:
    return f"item-{number:06d}"


def _details(kind: str, flat: int) -> str:
    if kind == "dwell":
        return f',"dwell_s":{flat % 120}.5'
    return ',"price":19.95,"quantity":1' if kind == "cart" else ""


def _zipf(rng: np.random.Generator, num: int, shape: int | tuple[int, int]) -> NDArray[np.int64]:
    """Ranks from 0, drawn with chances in proportion to 1 / (rank + ZIPF_OFFSET)."""
    total = np.cumsum(1.0 / (np.arange(num) + ZIPF_OFFSET))
    ranks: NDArray[np.int64] = np.searchsorted(total, rng.random(shape) * total[-1]).astype(np.int64)
    return ranks


def _distinct(drawn_SD: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[S, SLATE_ITEMS]: the first different items of each row; a row with too few takes the next free numbers."""
    found = np.empty((len(drawn_SD), SLATE_ITEMS), np.int64)
    for row, drawn in enumerate(drawn_SD.tolist()):
        kept = dict.fromkeys(drawn)
        number = 0
        while len(kept) < SLATE_ITEMS:
            kept[number] = None
            number += 1
        found[row] = list(kept)[:SLATE_ITEMS]
    return found


def _with_repeats(rng: np.random.Generator, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Some events once more, 100 events later."""
    again = np.flatnonzero(rng.random(len(order)) < REPEATED_FRAC)
    places = np.concatenate([np.arange(len(order)), again + 100])
    return np.concatenate([order, order[again]])[np.argsort(places, kind="stable")]


def _times_ms(rng: np.random.Generator, num_slates: int) -> NDArray[np.int64]:
    """int64[S, events of a slate]: slates begin at a steady pace; a dwell or cart follows its click."""
    delays_s = rng.exponential([max(MEAN_DELAY_S[kind], 1e-9) for kind in OF_SLATE], (num_slates, len(OF_SLATE)))
    for which, kind in enumerate(OF_SLATE):
        if kind in {"dwell", "cart"}:
            delays_s[:, which] += delays_s[:, 1 if which % 2 else 2]
    begin_s = np.arange(num_slates) * len(OF_SLATE) / EVENTS_PER_S
    times: NDArray[np.int64] = (1000 * (begin_s[:, None] + delays_s)).astype(np.int64)
    return times
