"""The engine on lists of records: results depend on the log alone, not on chunks, flushes or crashes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.features.count_record import TOTALS
from streams.features.forgotten_users import forgotten_key
from streams.features.state_store import META_KEY, StateStore
from streams.worker.outputs import Forgotten
from streams.worker.partition import Partition
from tests.worker.event_log import NUM_ITEMS, START_MS, Record, records, shop_log, with_forgets
from tests.worker.one_user import event, impression

Open = Callable[[Path], tuple[Partition, StateStore]]
SHOP_LOG = records(shop_log(num_slates=60))
LOG = records(with_forgets(shop_log(num_slates=60), every=40))


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
    engine.process(SHOP_LOG)
    distinct = {event["event_id"]: event for event in (msgspec.json.decode(r.value or b"") for r in SHOP_LOG)}.values()
    expected: dict[str, dict[str, int]] = {}
    dwell: dict[tuple[str, str], tuple[int, int]] = {}
    for one in distinct:
        user = expected.setdefault(one["user_id"], dict.fromkeys(TOTALS, 0))
        match one["type"]:
            case "impression":
                user["impressions"] += len(one["items"])
            case "dwell":
                key = (one["user_id"], one["slate_id"] + one["item_id"])
                dwell[key] = max(dwell.get(key, (0, 0)), (one["occurred_at_ms"], round(one["dwell_s"] * 1000)))
            case "view" | "click" | "cart" | "order":
                user[f"{one['type']}s"] += 1
    for (user_id, _), (_, dwell_ms) in dwell.items():
        expected[user_id]["dwell_ms"] += dwell_ms

    found = {user: dict(zip(TOTALS, engine.state.user(user).totals, strict=True)) for user in expected}
    items = dict(zip(TOTALS, engine.state.items.totals[: NUM_ITEMS + 1].sum(axis=0).tolist(), strict=True))
    store.close()

    assert expected == found
    assert items == {name: sum(user[name] for user in expected.values()) for name in TOTALS}


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
    left = [key for key, raw in store.scan(b"") if b"u1" in key + raw]
    engine.state.forgotten.history_erased({"u1": START_MS + 2000})
    flush(engine, store)
    left_at_last = [key for key, raw in store.scan(b"") if b"u1" in key + raw]
    store.close()

    assert outputs.forgotten == [Forgotten("u1", ("home",), START_MS + 2000)]
    assert (left, left_at_last) == ([forgotten_key("u1")], [])


def test_a_forget_that_was_refused_removes_nobody_when_it_comes_again(open_engine: Open, tmp_path: Path) -> None:
    """Refused for its time; or of another partition, to which it was sent on."""
    old = event("forget", 1) | {"occurred_at_ms": 1}
    log = records([event("view", 0, item_id="i1"), old])
    engine, store = open_engine(tmp_path / "state")
    first = engine.process(log)
    flush(engine, store)
    again = engine.process(log)
    drained = engine.state.drain()
    store.close()

    assert [refusal.reason for _, refusal in first.rejected] == ["time_too_old"]
    assert (first.forgotten, again.forgotten) == ([], [])
    assert [user.user_id for user in drained.users] == ["u1"]


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
