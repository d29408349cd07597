"""The seeded shop is the yardstick of the learning figures: it must be what it says."""

import numpy as np
import pytest

from benchmarks.shop import DAY_S, Block, ShopSpec, blocks
from models.metrics import auc

SPEC = ShopSpec(seed=3, num_slates=3000, season_of_day=(1, 1, 2, 2), season_item_frac=0.4)


@pytest.fixture(scope="module")
def stream() -> list[Block]:
    return list(blocks(SPEC))


def joined(stream: list[Block], task: str) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([b.y[task] for b in stream]), np.concatenate([b.chances.task[task] for b in stream])


def test_the_same_spec_gives_the_same_blocks(stream: list[Block]) -> None:
    again = next(blocks(SPEC))
    assert np.array_equal(again.item_NI, stream[0].item_NI, equal_nan=True)
    assert np.array_equal(again.y["dwell"], stream[0].y["dwell"], equal_nan=True)


@pytest.mark.parametrize("task", ["click", "cart", "order", "dislike"])
def test_outcomes_follow_the_chances(stream: list[Block], task: str) -> None:
    y, p = joined(stream, task)
    assert y.mean() == pytest.approx(p.mean(), rel=0.15)
    assert auc(y, p) > 0.7


def test_mean_seconds_are_what_the_chances_say(stream: list[Block]) -> None:
    clicked = [b.y["click"] > 0 for b in stream]
    expected = np.concatenate([b.chances.dwell_mean_s()[rows] for b, rows in zip(stream, clicked, strict=True)])
    found = np.concatenate([b.y["dwell"][rows] for b, rows in zip(stream, clicked, strict=True)])
    assert found.mean() == pytest.approx(expected.mean(), rel=0.1)


def test_no_season_is_shown_when_it_is_off(stream: list[Block]) -> None:
    by_day = {day: {int(s) for b in stream for s in b.season_N[b.at_s_N // DAY_S == day]} for day in range(5)}
    assert by_day == {0: {0, 1}, 1: {0, 1}, 2: {0, 2}, 3: {0, 2}, 4: {0}}


def test_orders_come_after_they_are_shown_and_within_the_window(stream: list[Block]) -> None:
    delay_s = np.concatenate([(b.order_at_s_N - b.at_s_N)[b.y["order"] > 0] for b in stream])
    assert delay_s.min() > 0
    assert delay_s.max() < SPEC.order_window_days * DAY_S
    assert np.mean(delay_s > DAY_S / 2) > 0.3


def test_features_know_only_what_is_past(stream: list[Block]) -> None:
    """The first block knows nothing of clicks; a click of this block does not move its own features."""
    first = stream[0]
    counts = first.cross_NX[np.isfinite(first.cross_NX)]
    assert np.ptp(first.user_SU[:, 0]) == 0
    assert np.isfinite(counts).all()
    twice = ShopSpec(seed=3, num_slates=16)
    assert np.ptp(next(blocks(twice)).cross_NX[:, 0]) == 0
