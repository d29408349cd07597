"""From impressions and actions to `shown` and `labels`: windows, order of arrival, corrections, watermarks, the cap."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from streams.examples.records import Labels, Shown
from streams.features.state_store import StateStore
from streams.settings import Settings
from streams.worker.partition import Partition
from tests.worker.event_log import START_MS, Record, records
from tests.worker.one_user import decoded, event, impression, labels

Open = Callable[[Path], tuple[Partition, StateStore]]


def test_one_slate_gives_one_shown_and_labels_when_each_window_closes(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(
        records([
            impression(0, "i1", "i2"),
            event("click", 5, item_id="i2", slate_id="s1"),
            event("dwell", 8, item_id="i2", slate_id="s1", dwell_s=3.0, is_final=False),
            event("cart", 30, item_id="i2"),
            event("watermark", 200) | {"user_id": ""},
        ])
    )  # fmt: skip
    store.close()

    shown = [record for record in decoded(outputs) if isinstance(record, Shown)]
    assert [(s.slate_id, s.items, s.positions, s.part) for s in shown] == [("s1", ["i1", "i2"], [0, 1], 0)]
    assert labels(outputs) == [
        ("click", 1, ["i1", "i2"], [0.0, 1.0]),
        ("order", 1, ["i1", "i2"], [0.0, 0.0]),
        ("dwell", 1, ["i2"], [3.0]),
        ("cart", 1, ["i1", "i2"], [0.0, 1.0]),
        ("order", 2, ["i1", "i2"], [0.0, 0.0]),
        ("dislike", 1, ["i1", "i2"], [0.0, 0.0]),
    ]


def test_a_click_before_its_impression_waits_for_it(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(
        records(
            [event("click", 2, item_id="i2", slate_id="s1"), impression(0, "i1", "i2"), event("view", 60, item_id="i9")]
        )
    )
    store.close()

    assert labels(outputs)[0] == ("click", 1, ["i1", "i2"], [0.0, 1.0])


def test_a_late_click_is_sent_as_a_correction_after_the_window_closed(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(
        records(
            [impression(0, "i1", "i2"), event("view", 38, item_id="i9"), event("click", 3, item_id="i1", slate_id="s1")]
        )
    )
    store.close()

    assert labels(outputs) == [
        ("click", 1, ["i1", "i2"], [0.0, 0.0]),
        ("order", 1, ["i1", "i2"], [0.0, 0.0]),
        ("click", 2, ["i1", "i2"], [1.0, 0.0]),
    ]
    assert outputs.counts["late"] == 1


def test_an_order_before_its_window_ends_is_sent_at_once_when_orders_are_learned_early(
    open_engine: Open, tmp_path: Path
) -> None:
    engine, store = open_engine(tmp_path / "state")
    order = event("order", 40, item_id="i1", slate_id="s1")
    outputs = engine.process(records([impression(0, "i1", "i2"), event("view", 38, item_id="i9"), order]))
    store.close()

    sent = [r for r in decoded(outputs) if isinstance(r, Labels) and r.task == "order"]
    assert [(r.revision, r.values, r.is_closed) for r in sent] == [(1, [0.0, 0.0], False), (2, [1.0, 0.0], False)]


def test_a_click_after_its_window_counts_but_labels_nothing(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(records([impression(0, "i1"), event("click", 26, item_id="i1", slate_id="s1")]))
    total = engine.state.user("u1").totals[2]
    store.close()

    assert labels(outputs) == [("click", 1, ["i1"], [0.0]), ("order", 1, ["i1"], [0.0])]
    assert total == 1


def test_a_second_impression_of_a_slate_adds_a_part_with_its_new_items_only(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(records([impression(0, "i1", "i2"), impression(1, "i2", "i3")]))
    totals = engine.state.user("u1").totals
    store.close()

    parts = [(s.part, s.items, s.positions) for s in decoded(outputs) if isinstance(s, Shown)]
    assert parts == [(0, ["i1", "i2"], [0, 1]), (1, ["i3"], [1])]
    assert totals[0] == 3


def test_a_watermark_closes_windows_but_does_not_move_the_clock(open_engine: Open, tmp_path: Path) -> None:
    """Slates shown after `--close-windows` on a live system have their whole window."""
    engine, store = open_engine(tmp_path / "state")
    mark = event("watermark", 500) | {"user_id": ""}
    first = engine.process(records([impression(0, "i1"), mark]))
    clock_ms = engine.state.max_event_ms
    second = engine.process(
        records([impression(30, "i1", slate="s2"), event("view", 40, item_id="i1")], first_offset=2)
    )
    store.close()

    assert ([r[0] for r in labels(first)], clock_ms) == (["click", "cart", "order", "dislike"], START_MS)
    assert labels(second) == []


def test_a_watermark_beyond_every_window_is_rejected(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(records([impression(0, "i1")]) + records([event("watermark", 9e8) | {"user_id": ""}], 1))
    late = Record(2, START_MS, None, msgspec.json.encode(event("watermark", 9e8) | {"user_id": ""}))
    refused = engine.process([late])
    store.close()

    assert [r.reason for _, r in refused.rejected] == ["time_too_far_ahead"]
    assert outputs.rejected == []


def test_beyond_the_cap_the_oldest_slates_close_early_and_are_counted(
    open_engine: Open, engine_settings: Settings, tmp_path: Path
) -> None:
    engine, store = open_engine(tmp_path / "state")
    log = [impression(n / 100, "i1", slate=f"s{n}") for n in range(engine_settings.labels.open_slates_max + 3)]
    outputs = engine.process(records(log))
    store.close()

    closed = {r.slate_id for r in decoded(outputs) if isinstance(r, Labels)}
    num_closed = outputs.counts["slate_closed_early"]
    assert num_closed > 0
    assert closed == {f"s{n}" for n in range(num_closed)}
