"""A running worker computes features anew from records alone, and says by feature where they differ."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streams.clock import ManualClock
from streams.features.capture import capture
from streams.features.capture_anew import capture_anew
from streams.features.skew import FeatureSkew
from streams.features.state_store import StateStore
from streams.observability.metrics import WorkerMetrics
from streams.settings import Settings
from streams.worker.list_capture import ListCapture
from streams.worker.partition import Partition
from streams.worker.skew_sampler import SkewSampler
from tests.worker.event_log import records, shop_log

Open = Callable[[Path], tuple[Partition, StateStore]]
LOG = records(shop_log(num_slates=120, seed=4))


@pytest.fixture
def watched(
    open_engine: Open, engine_settings: Settings, tmp_path: Path
) -> tuple[Partition, WorkerMetrics, ManualClock]:
    """An engine after half of a log, watched from now on; every list is looked at."""
    engine, _ = open_engine(tmp_path / "state")
    engine.process(LOG[: len(LOG) // 2])
    metrics, clock = WorkerMetrics(), ManualClock()
    sampler = SkewSampler(engine_settings.catalogue.schema_, clock, metrics, interval_s=0.0)
    items = engine.state.items
    lists = ListCapture(items, engine._lists._index, sampler.watch)
    return Partition(engine.state, engine_settings, lists), metrics, clock


def skewed(metrics: WorkerMetrics) -> dict[str, float]:
    samples = metrics.skewed.collect()[0].samples
    return {one.labels["feature"]: one.value for one in samples if one.name.endswith("_total")}


def lists_seen(metrics: WorkerMetrics) -> float:
    return metrics.registry.get_sample_value("freshrank_skew_lists_total") or 0.0


def test_requests_and_shown_lists_are_looked_at_and_nothing_differs(
    watched: tuple[Partition, WorkerMetrics, ManualClock],
) -> None:
    engine, metrics, _ = watched
    outputs = engine.process(LOG[len(LOG) // 2 :])

    assert lists_seen(metrics) == outputs.counts["rank"] + outputs.counts["shown"]
    assert lists_seen(metrics) > 50
    assert skewed(metrics) == {}


def test_a_sum_that_was_not_kept_up_is_told_by_its_features(
    watched: tuple[Partition, WorkerMetrics, ManualClock],
) -> None:
    engine, metrics, _ = watched
    engine.state.items.totals[:, 2] += 7
    engine.process(LOG[len(LOG) // 2 :])

    assert {"item_click_logit", "item_log_mean_dwell_s"} <= set(skewed(metrics))
    assert "user_log_slates" not in skewed(metrics)
    assert metrics.registry.get_sample_value("freshrank_skew", {"feature": "item_click_logit"}) > 0.1  # type: ignore[operator]


def test_at_most_one_list_in_an_interval_is_looked_at(
    open_engine: Open, engine_settings: Settings, tmp_path: Path
) -> None:
    engine, store = open_engine(tmp_path / "state")
    metrics, clock = WorkerMetrics(), ManualClock()
    sampler = SkewSampler(engine_settings.catalogue.schema_, clock, metrics, interval_s=5.0)
    engine = Partition(
        engine.state, engine_settings, ListCapture(engine.state.items, engine._lists._index, sampler.watch)
    )
    for half in (LOG[:200], LOG[200:400], LOG[400:]):
        engine.process(half)
        clock.advance_ms(3_000)
    store.close()

    assert lists_seen(metrics) == 2


class SlowComputer(ManualClock):
    """Whatever is done between two looks at it takes a tenth of a second."""

    def monotonic_s(self) -> float:
        self.advance_ms(100)
        return super().monotonic_s()


def test_a_list_that_takes_long_makes_the_next_one_wait_a_hundred_times_as_long(engine_settings: Settings) -> None:
    from streams.features.capture import Request
    from streams.features.items import ItemTable
    from streams.features.user_state import UserState

    items, metrics, clock = ItemTable(engine_settings.catalogue, 1), WorkerMetrics(), SlowComputer()
    sampler = SkewSampler(engine_settings.catalogue.schema_, clock, metrics, interval_s=1.0)
    given = UserState("u"), items, items.slots(["i1"]), 10**12, Request()
    found, seen = capture(*given), []
    for wait_s in (0, 2, 5, 4, 2):
        clock.advance_ms(wait_s * 1000)
        sampler.watch(*given, found)
        seen.append(lists_seen(metrics))

    assert seen == [1, 1, 1, 2, 2]


def test_counts_of_several_sources_are_added_up_anew(engine_settings: Settings) -> None:
    from streams.features.capture import Request
    from streams.features.items import ItemTable
    from streams.features.user_state import UserState

    items = ItemTable(engine_settings.catalogue, 3)
    for source in range(3):
        for n in range(40):
            items.count(source, [items.slot(f"i{(source + n) % 5}")], n % 3, 10**12 + n * 60_000 * (source + 1))
    slots, user = items.slots([f"i{n}" for n in range(5)]), UserState("u")
    skew = FeatureSkew(engine_settings.catalogue.schema_.item, 1e-6)
    served, anew = (one(user, items, slots, 10**12 + 10**8, Request()) for one in (capture, capture_anew))
    skew.add(served.item_NI, anew.item_NI)

    assert skew.is_equal
    assert np.abs(served.item_NI).sum() > 1


def test_skew_counts_what_differs_by_feature() -> None:
    nan = float("nan")
    skew = FeatureSkew(["same", "missing in both", "missing in one", "close", "far"], tolerance=1e-4)
    skew.add(np.array([[1, nan, nan, 1000.0, 2]], np.float32), np.array([[1, nan, 3, 1000.05, 5]], np.float32))

    assert {name: (one["equal"], one["max_difference"]) for name, one in skew.to_json().items()} == {
        "same": (1, 0.0),
        "missing in both": (1, 0.0),
        "missing in one": (0, None),
        "close": (1, pytest.approx(0.05, rel=0.01)),
        "far": (0, 3.0),
    }
