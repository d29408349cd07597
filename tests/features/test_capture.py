"""Captured features: hand-worked numbers, widths, and independence of whatever else is captured."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.features.capture import Captured, Request, capture, capture_user
from streams.features.item_features import capture_items
from streams.features.items import ItemTable
from streams.features.user_record import encode_user
from streams.features.user_state import UserState
from streams.settings import CatalogueFields
from tests.features.busy_shop import NUM_ITEMS, busy_shop
from tests.features.sample_shop import (
    CART,
    CLICK,
    DAY_MS,
    DISLIKE,
    FIELDS,
    IMPRESSION,
    NOW_MS,
    ORDER,
    VIEW,
    shop,
    slots,
)

TEA, ALE, CUP = 1, 2, 3
PRIOR = 0.05  # base rate while fewer than 100 impressions were counted
REQUEST = Request("word1 green", {4: 0.5, 9: 2.0})


def counted() -> ItemTable:
    """Tea: 20 impressions, 5 clicks, 2 views, a cart, an order, a dislike, 16 s of dwell. Ale: 20 clicks alone."""
    items = shop()
    for slot, kind, num in [
        (TEA, IMPRESSION, 20), (TEA, CLICK, 5), (TEA, VIEW, 2), (TEA, CART, 1), (TEA, ORDER, 1), (TEA, DISLIKE, 1),
        (ALE, CLICK, 20),
    ]:  # fmt: skip
        for _ in range(num):
            items.count_one(0, slot, kind, NOW_MS)
    items.add_dwell(0, TEA, 16_000, NOW_MS)
    return items


def item_features(items: ItemTable, slot: int, now_ms: int) -> dict[str, float]:
    """One item's features by name."""
    row = capture_items(items, slots(slot), now_ms)[0].tolist()
    return dict(zip(items.fields.schema_.item, row, strict=True))


def test_item_features_are_smoothed_rates_logs_and_declared_numbers() -> None:
    found = item_features(counted(), TEA, NOW_MS)
    rates = dict.fromkeys(("item_click_logit", *(f"item_click_logit_{h}" for h in ("30m", "24h", "7d"))), 5.5 / 24.5)
    cart, order, dislike = 1 + 10 * PRIOR / 10, 1 + 10 * PRIOR / 30, 1 + 10 * PRIOR / 20
    rates |= {
        f"item_{what}_logit": p / (30 - p) for what, p in (("cart", cart), ("order", order), ("dislike", dislike))
    }
    assert found == pytest.approx(
        {name: math.log(odds) for name, odds in rates.items()}
        | {"item_log_impressions": math.log(21), "item_log_views": math.log(3)}
        | {f"item_log_clicks_{h}": math.log(6) for h in ("30m", "24h", "7d")}
        | {"item_log_mean_dwell_s": math.log(1 + 16 / 8), "is_coupon": 0.0, "is_ad": 0.0}
        | {"number_price": math.log(4), "missing_price": 0.0, "number_weight": 0.0, "missing_weight": 1.0},
        rel=1e-6,
    )


def test_decayed_rates_fall_back_to_the_prior_as_their_horizon_passes() -> None:
    found = item_features(counted(), TEA, NOW_MS + DAY_MS)
    week = 2 ** (-1 / 7)
    assert [found[f"item_click_logit_{h}"] for h in ("30m", "24h", "7d")] == pytest.approx(
        [math.log(0.5 / 9.5), math.log(3 / 17), math.log((5 * week + 0.5) / (15 * week + 9.5))], rel=1e-6
    )
    assert [found[f"item_log_clicks_{h}"] for h in ("30m", "24h", "7d")] == pytest.approx(
        [0.0, math.log(3.5), math.log1p(5 * week)], rel=1e-6
    )
    assert found["item_click_logit"] == pytest.approx(math.log(5.5 / 24.5))


def test_more_clicks_than_impressions_stay_a_finite_rate() -> None:
    assert item_features(counted(), ALE, NOW_MS)["item_click_logit"] == pytest.approx(math.log(20.5 / 1.0))


def test_kinds_and_signed_numbers() -> None:
    ale, cup = (item_features(shop(), slot, NOW_MS) for slot in (ALE, CUP))
    assert [ale["number_weight"], ale["missing_weight"]] == pytest.approx([-math.log(2.5), 0.0])
    assert [cup["is_coupon"], cup["is_ad"], cup["number_price"], cup["missing_price"]] == [1.0, 0.0, 0.0, 1.0]


def test_user_features_by_hand() -> None:
    six_o_clock = NOW_MS - NOW_MS % DAY_MS + 6 * 3_600_000
    user = UserState("u", num_slates=3)
    user.count(IMPRESSION, six_o_clock - DAY_MS, 40)
    user.count(CLICK, six_o_clock - DAY_MS, 6)
    for _ in range(2):
        user.touch(six_o_clock - 9000, None)

    found = dict(zip(FIELDS.schema_.user, capture_user(user, shop(), six_o_clock).tolist(), strict=True))
    left = {"30m": 2.0**-48, "24h": 0.5, "7d": 2 ** (-1 / 7)}
    decayed = {f"user_log_{kind}s_{h}": 0.0 for h in left for kind in ("view", "cart", "order")}
    decayed |= {f"user_log_impressions_{h}": math.log1p(40 * kept) for h, kept in left.items()}
    decayed |= {f"user_log_clicks_{h}": math.log1p(6 * kept) for h, kept in left.items()}
    assert found == pytest.approx(
        decayed
        | {"user_click_logit": math.log(6.5 / 43.5), "user_log_slates": math.log(4)}
        | {"user_log_session_actions": math.log(3), "user_log_idle_s": math.log(10), "hour_sin": 1.0, "hour_cos": 0.0},
        rel=1e-6,
        abs=1e-7,
    )


def test_a_user_never_seen_has_the_prior_and_no_idle_time() -> None:
    found = dict(zip(FIELDS.schema_.user, capture_user(UserState("u"), shop(), NOW_MS).tolist(), strict=True))
    assert found["user_click_logit"] == pytest.approx(math.log(0.5 / 9.5))
    assert {name for name, value in found.items() if value} == {"user_click_logit", "hour_sin", "hour_cos"}


def test_the_fallback_is_the_smoothed_click_rate() -> None:
    captured = capture(UserState("u"), counted(), slots(TEA, CUP), NOW_MS, Request())
    assert captured.fallback_N.tolist() == pytest.approx([5.5 / 30, PRIOR])


@pytest.mark.parametrize("num_rows", [0, 1, 7])
@pytest.mark.parametrize(
    ("affinity", "numbers"),
    [((), ()), (("category",), ()), ((), ("price", "weight")), (("brand", "tags", "maker", "category"), ("price",))],
)
def test_widths_are_those_of_the_schema(affinity: tuple[str, ...], numbers: tuple[str, ...], num_rows: int) -> None:
    user, items = busy_shop(CatalogueFields(affinity=affinity, numbers=numbers))
    captured = capture(user, items, slots(*range(1, num_rows + 1)), NOW_MS + DAY_MS, REQUEST)
    schema = items.fields.schema_

    shapes = [part.shape for part in (captured.user_U, captured.item_NI, captured.cross_NX, captured.fallback_N)]
    assert shapes == [(len(schema.user),), (num_rows, len(schema.item)), (num_rows, len(schema.cross)), (num_rows,)]
    parts = (captured.user_U, captured.item_NI, captured.cross_NX)
    assert [(str(part.dtype), bool(np.isfinite(part).all())) for part in parts] == [("float32", True)] * 3


def rows_of(captured: Captured) -> list[tuple[bytes, bytes, bytes]]:
    """Each row's bytes."""
    item, cross, fallback = captured.item_NI, captured.cross_NX, captured.fallback_N
    return [(item[n].tobytes(), cross[n].tobytes(), fallback[n].tobytes()) for n in range(len(item))]


@given(st.lists(st.integers(0, NUM_ITEMS), min_size=1, max_size=40, unique=True), st.integers(-DAY_MS, 9 * DAY_MS))
def test_a_row_does_not_depend_on_what_else_is_captured(chosen: list[int], later_ms: int) -> None:
    together = capture(*BUSY, slots(*chosen), NOW_MS + later_ms, REQUEST)
    alone = [capture(*BUSY, slots(slot), NOW_MS + later_ms, REQUEST) for slot in chosen]

    assert rows_of(together) == [rows_of(one)[0] for one in alone]
    assert {one.user_U.tobytes() for one in alone} == {together.user_U.tobytes()}


def test_capturing_changes_no_state() -> None:
    user, items = busy_shop(CatalogueFields())
    arrays = ("totals", "decayed", "at_ms", "price", "number", "field_of")

    def state() -> tuple[object, ...]:
        records = [items.sources[0].record(slot, items.item_ids) for slot in range(1, NUM_ITEMS + 1)]
        return encode_user(user, items), [getattr(items, name).tobytes() for name in arrays], records, items.item_ids

    before = state()
    captured = [capture(user, items, slots(*range(items.n)), NOW_MS + DAY_MS, REQUEST) for _ in range(2)]

    assert state() == before
    assert rows_of(captured[0]) == rows_of(captured[1])


BUSY = busy_shop(CatalogueFields())
