"""Features of a user and an item together: how the user answered items with the same field values, co-clicks, history.

The rate of a field value v is (clicks_uv + 2 P) / (shown_uv + 2) over the user's remembered answers; an item gets the
mean over its values, per declared field (measured on public lists: models.md 11.3).
"""

import math

import numpy as np
from numpy.typing import NDArray

from streams.features.item_content import WORD
from streams.features.items import ItemTable
from streams.features.user_state import AFFINITY_HALF_LIFE_MS, CLICK, UserState

__all__ = ["capture_cross"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
PRIOR_ANSWERS = 2.0
RECENT_CLICKS = 20
# Strength of the prior of a co-click rate, in clicks of the neighbour.
PRIOR_CO_CLICKS = 10.0
# Seconds since an item was last shown, where it never was: 30 days.
NEVER_SHOWN_S = 30 * 86_400.0


def capture_cross(
    user: UserState,
    items: ItemTable,
    slots: NDArray[np.int32],
    now_ms: int,
    *,
    query: str,
    relevance: dict[int, float] | None,
) -> Float32:
    """float32[N, X] in the order of `FeatureSchema.cross`."""
    fields = _field_features(user, items, slots, now_ms)
    history = _history(user, slots, now_ms)
    rest = [
        _co_click(user, items, slots),
        *history,
        _price_ratio(user, items, slots),
        _query_overlap(items, slots, query),
        _relevance(slots, relevance),
    ]
    return np.concatenate([fields, np.stack(rest, axis=1)], axis=1).astype(np.float32)


def _concatenated(items: ItemTable, slots: list[int]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Value ids of all slots in a row, and how many each slot has."""
    lists = [items.value_ids[slot] for slot in slots]
    sizes = np.fromiter(map(len, lists), np.int64, len(lists))
    return (np.concatenate(lists) if lists else np.zeros(0, np.int32)), sizes


def _field_features(user: UserState, items: ItemTable, slots: NDArray[np.int32], now_ms: int) -> Float64:
    """float64[N, 3 x fields]: rate (log-odds), log clicks, log affinity, field by field."""
    num_fields, base = len(items.fields.affinity), items.base_rate
    values, sizes = _concatenated(items, slots.tolist())
    known, place = np.unique(values, return_inverse=True)
    shown, clicked = _answers_per_value(user, items, known)
    weight = _affinity_per_value(user, items, known, now_ms)
    rate = (clicked + PRIOR_ANSWERS * base) / (shown + PRIOR_ANSWERS)
    cell = np.repeat(np.arange(len(slots)), sizes) * num_fields + items.field_of[values]
    num_cells = len(slots) * num_fields
    num = np.bincount(cell, minlength=num_cells)
    mean = np.where(num > 0, np.bincount(cell, rate[place], num_cells) / np.maximum(num, 1), base)
    # A rate can leave (0, 1) by nothing but rounding: clicks never exceed answers.
    logit = np.log(mean / (1.0 - mean))
    clicks = np.log1p(np.bincount(cell, clicked[place], num_cells))
    lean = np.bincount(cell, weight[place], num_cells)
    affinity = np.sign(lean) * np.log1p(np.abs(lean))
    return np.stack([logit, clicks, affinity], axis=1).reshape(len(slots), 3 * num_fields)


def _answers_per_value(user: UserState, items: ItemTable, known: NDArray[np.int32]) -> tuple[Float64, Float64]:
    """How often each of the sorted value ids was shown to the user, and clicked."""
    slots = [slot for answers in user.answers for slot in answers.slots]
    is_clicked = np.array([value > 0 for answers in user.answers for value in answers.clicked], np.float64)
    values, sizes = _concatenated(items, slots)
    if not len(known) or not len(values):
        return np.zeros(len(known)), np.zeros(len(known))
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    is_hit = known[at] == values
    clicks = np.repeat(is_clicked, sizes)
    shown = np.bincount(at[is_hit], minlength=len(known)).astype(np.float64)
    return shown, np.bincount(at[is_hit], clicks[is_hit], len(known)).astype(np.float64)


def _affinity_per_value(user: UserState, items: ItemTable, known: NDArray[np.int32], now_ms: int) -> Float64:
    kept = 2.0 ** (-max(now_ms - user.affinity_at_ms, 0) / AFFINITY_HALF_LIFE_MS)
    if not user.affinity:
        return np.zeros(len(known))
    fields = items.field_of[known].tolist()
    weights = [user.affinity[f].get(v, 0.0) * kept for f, v in zip(fields, known.tolist(), strict=True)]
    return np.array(weights, np.float64)


def _co_click(user: UserState, items: ItemTable, slots: NDArray[np.int32]) -> Float64:
    """float64[N]: log of the mean co-click rate with the user's recently clicked items, over the prior alone."""
    clicked = user.recently_clicked(RECENT_CLICKS)
    if not clicked:
        return np.zeros(len(slots))
    found: dict[int, float] = {}
    for slot in clicked:
        others, weights = items.neighbours(slot)
        scale = 1.0 / (float(items.totals[slot, 2]) + PRIOR_CO_CLICKS)
        for other, weight in zip(others.tolist(), weights.tolist(), strict=True):
            found[other] = found.get(other, 0.0) + weight * scale
    sums = np.array([found.get(slot, 0.0) for slot in slots.tolist()])
    return np.log1p(PRIOR_CO_CLICKS * sums / len(clicked))


def _history(user: UserState, slots: NDArray[np.int32], now_ms: int) -> list[Float64]:
    """Three float64[N]: log times shown, log times clicked, log seconds since last shown."""
    shown: dict[int, int] = {}
    last_ms: dict[int, int] = {}
    for answers in user.answers:
        for slot in answers.slots:
            shown[slot] = shown.get(slot, 0) + 1
            last_ms[slot] = max(last_ms.get(slot, 0), answers.at_ms)
    clicked: dict[int, int] = {}
    for slot, kind in zip(user.action_slots, user.action_kinds, strict=True):
        if kind == CLICK:
            clicked[slot] = clicked.get(slot, 0) + 1
    wanted = slots.tolist()
    since = [max(now_ms - last_ms[s], 0) / 1000 if s in last_ms else NEVER_SHOWN_S for s in wanted]
    return [np.log1p([shown.get(s, 0) for s in wanted]), np.log1p([clicked.get(s, 0) for s in wanted]), np.log1p(since)]


def _price_ratio(user: UserState, items: ItemTable, slots: NDArray[np.int32]) -> Float64:
    """float64[N]: log of the item's price over the mean price the user clicked; 0 where either is unknown."""
    if not user.num_prices:
        return np.zeros(len(slots))
    mean = user.price_sum / user.num_prices
    ratio = np.log1p(items.price[slots].astype(np.float64)) - math.log1p(mean)
    return np.nan_to_num(ratio, nan=0.0)


def _query_overlap(items: ItemTable, slots: NDArray[np.int32], query: str) -> Float64:
    """float64[N]: share of the query's words that the item's text has."""
    words = set(WORD.findall(query.lower()))
    if not words:
        return np.zeros(len(slots))
    texts = (set(WORD.findall(items.texts.get(slot, "").lower())) for slot in slots.tolist())
    return np.array([len(words & text) / len(words) for text in texts])


def _relevance(slots: NDArray[np.int32], relevance: dict[int, float] | None) -> Float64:
    if not relevance:
        return np.zeros(len(slots))
    return np.array([relevance.get(slot, 0.0) for slot in slots.tolist()])
