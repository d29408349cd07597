"""The engine on lists of records: results depend on the log alone, not on chunks, flushes or crashes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.examples.records import Labels, Shown, decode_record
from streams.features.source_counts import TOTALS
from streams.features.state_store import META_KEY, StateStore
from streams.settings import Settings
from streams.worker.outputs import Outputs
from streams.worker.partition import Partition
from tests.worker.event_log import NUM_ITEMS, START_MS, Record, records, shop_log

Open = Callable[[Path], tuple[Partition, StateStore]]
LOG = records(shop_log(num_slates=60))


def flush(engine: Partition, store: StateStore) -> None:
    drained = engine.state.drain()
    store.write([*drained.records, (META_KEY, msgspec.json.encode(drained.meta))])
    engine.state.written(cached_users=5)


def run(open_engine: Open, folder: Path, log: list[Record], chunk: int, flush_every: int) -> tuple[list[Any], Any]:
    """All outputs in order, and everything on disk at the end."""
    engine, store = open_engine(folder)
    examples: list[tuple[bytes, bytes]] = []
    for number, start in enumerate(range(0, len(log), chunk)):
        examples += engine.process(log[start : start + chunk]).examples
        if number % flush_every == flush_every - 1:
            flush(engine, store)
    flush(engine, store)
    found = dict(store.scan(b""))
    store.close()
    return examples, found


@pytest.mark.parametrize(("chunk", "flush_every"), [(7, 1), (1000, 1), (1, 50), (13, 3)])
def test_results_do_not_depend_on_chunks_or_flushes(
    open_engine: Open, tmp_path: Path, chunk: int, flush_every: int
) -> None:
    expected = run(open_engine, tmp_path / "straight", LOG, 1, 1)

    assert expected == run(open_engine, tmp_path / "other", LOG, chunk, flush_every)


@pytest.mark.parametrize("seed", range(4))
def test_a_crash_between_flushes_changes_no_result(open_engine: Open, tmp_path: Path, seed: int) -> None:
    """What was not flushed is processed again from the last commit; examples repeat, byte for byte."""
    expected_examples, expected_disk = run(open_engine, tmp_path / "straight", LOG, 10, 2)
    kill_at, commit_at = 100 + 37 * seed, 40 + 29 * seed
    engine, store = open_engine(tmp_path / "crashed")
    examples = engine.process(LOG[:commit_at]).examples
    flush(engine, store)
    examples += engine.process(LOG[commit_at:kill_at]).examples
    store.close()

    engine, store = open_engine(tmp_path / "crashed")
    outputs = engine.process(LOG[commit_at - 15 :])
    flush(engine, store)
    found = dict(store.scan(b""))
    store.close()

    assert expected_disk == found
    assert outputs.counts["replayed"] == 15
    assert set(expected_examples) == set(examples + outputs.examples)


def test_totals_equal_a_plain_count_of_distinct_events(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    engine.process(LOG)
    distinct = {event["event_id"]: event for event in (msgspec.json.decode(r.value or b"") for r in LOG)}.values()
    expected: dict[str, dict[str, int]] = {}
    dwell: dict[tuple[str, str], tuple[int, int]] = {}
    for event in distinct:
        user = expected.setdefault(event["user_id"], dict.fromkeys(TOTALS, 0))
        match event["type"]:
            case "impression":
                user["impressions"] += len(event["items"])
            case "dwell":
                key = (event["user_id"], event["slate_id"] + event["item_id"])
                dwell[key] = max(dwell.get(key, (0, 0)), (event["occurred_at_ms"], round(event["dwell_s"] * 1000)))
            case "view" | "click" | "cart" | "order":
                user[f"{event['type']}s"] += 1
    for (user_id, _), (_, dwell_ms) in dwell.items():
        expected[user_id]["dwell_ms"] += dwell_ms

    found = {user: dict(zip(TOTALS, engine.state.user(user).totals, strict=True)) for user in expected}
    items = dict(zip(TOTALS, engine.state.items.totals[: NUM_ITEMS + 1].sum(axis=0).tolist(), strict=True))
    store.close()

    assert expected == found
    assert items == {name: sum(user[name] for user in expected.values()) for name in TOTALS}


def decoded(outputs: Outputs) -> list[Shown | Labels]:
    return [decode_record(raw) for _, raw in outputs.examples]


def event(kind: str, at_s: float, event_id: str = "", **fields: Any) -> dict[str, Any]:
    at_ms = START_MS + int(at_s * 1000)
    return {"type": kind, "event_id": event_id or f"{kind}{at_s}", "user_id": "u1", "occurred_at_ms": at_ms, **fields}


def impression(at_s: float, *items: str, slate: str = "s1") -> dict[str, Any]:
    shown = [{"item_id": item, "position": place} for place, item in enumerate(items)]
    return event("impression", at_s, slate_id=slate, surface="home", items=shown)


def labels(outputs: Outputs) -> list[tuple[str, int, list[str], list[float]]]:
    return [(r.task, r.revision, r.items, r.values) for r in decoded(outputs) if isinstance(r, Labels)]


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
        ("dwell", 1, ["i2"], [3.0]),
        ("cart", 1, ["i1", "i2"], [0.0, 1.0]),
        ("order", 1, ["i1", "i2"], [0.0, 0.0]),
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

    assert labels(outputs) == [("click", 1, ["i1", "i2"], [0.0, 0.0]), ("click", 2, ["i1", "i2"], [1.0, 0.0])]
    assert outputs.counts["late"] == 1


def test_a_click_after_its_window_counts_but_labels_nothing(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(records([impression(0, "i1"), event("click", 26, item_id="i1", slate_id="s1")]))
    total = engine.state.user("u1").totals[2]
    store.close()

    assert labels(outputs) == [("click", 1, ["i1"], [0.0])]
    assert total == 1


def test_a_second_impression_of_a_slate_adds_a_part_with_its_new_items_only(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(records([impression(0, "i1", "i2"), impression(1, "i2", "i3")]))
    totals = engine.state.user("u1").totals
    store.close()

    parts = [(s.part, s.items, s.positions) for s in decoded(outputs) if isinstance(s, Shown)]
    assert parts == [(0, ["i1", "i2"], [0, 1]), (1, ["i3"], [1])]
    assert totals[0] == 3


def test_bad_neighbours_are_rejected_one_by_one_and_good_ones_kept(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    good = records([impression(0, "i1"), event("view", 1, item_id="i1"), event("view", 2, item_id="i1")])
    bad = [b'{"type":', None, b"\xff\xfe", b'{"type":"wish","event_id":"x","user_id":"u1","occurred_at_ms":1}']
    log = [
        Record(n, START_MS + 5000, b"u1", raw)
        for n, raw in enumerate([good[0].value, *bad, good[1].value, good[2].value])
    ]
    outputs = engine.process(log)
    totals = engine.state.user("u1").totals
    store.close()

    assert [refusal.reason for _, refusal in outputs.rejected] == ["not_json", "empty", "not_utf8", "unknown_type"]
    assert totals[:2] == [1, 2]


def test_time_ahead_of_append_time_is_taken_back_and_too_far_ahead_is_rejected(
    open_engine: Open, tmp_path: Path
) -> None:
    engine, store = open_engine(tmp_path / "state")
    ahead = [Record(0, START_MS, b"u1", msgspec.json.encode(event("view", 3600, item_id="i1"))),
             Record(1, START_MS, b"u1", msgspec.json.encode(event("view", 90_000, item_id="i1")))]  # fmt: skip
    outputs = engine.process(ahead)
    store.close()

    assert (outputs.counts["clamped"], [r.reason for _, r in outputs.rejected]) == (1, ["time_too_far_ahead"])
    assert engine.state.max_event_ms == START_MS


def test_forget_leaves_nothing_of_the_user_on_disk(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    engine.process(records([impression(0, "i1"), event("click", 1, item_id="i1", slate_id="s1")]))
    flush(engine, store)
    outputs = engine.process(records([event("forget", 2)], first_offset=2))
    flush(engine, store)
    left = [key for key, _ in store.scan(b"") if b"u1" in key]
    store.close()

    assert [(f.user_id, f.surfaces) for f in outputs.forgotten] == [("u1", ("home",))]
    assert left == []


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


def test_replayed_events_publish_again_all_that_they_changed(open_engine: Open, tmp_path: Path) -> None:
    """A crash between the state's write and what is published after it: rows, counts, removals come again."""
    log = records([
        impression(0, "i1", "i2", "i3"),
        event("click", 1, item_id="i1", slate_id="s1"),
        event("click", 2, item_id="i2", slate_id="s1"),
        event("forget", 3) | {"user_id": "u2"},
    ])  # fmt: skip
    engine, store = open_engine(tmp_path / "state")
    engine.process(log)
    flush(engine, store)
    store.close()

    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(log)
    drained = engine.state.drain()
    store.close()

    assert [user.user_id for user in drained.users] == ["u1"]
    assert [item_id for item_id, _ in drained.items] == ["i1", "i2", "i3"]
    assert [forgotten.user_id for forgotten in outputs.forgotten] == ["u2"]
