"""A partition's state: opened again, given back unflushed, and rid of a user before any flush."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.tasks import DEFAULT_TASKS, LabelRule, Task
from streams.examples.label_plan import LabelPlan
from streams.examples.records import Labels
from streams.features.items import ItemTable
from streams.features.state_store import META_KEY, StateStore
from streams.ranking.record import MadeList
from streams.settings import LabelSettings
from streams.worker.partition import Partition
from streams.worker.partition_state import LOAD_STEP, PartitionState
from tests.worker.event_log import START_MS, records, shop_log
from tests.worker.one_user import decoded, impression

Open = Callable[[Path], tuple[Partition, StateStore]]


def event(kind: str, at_s: float, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": f"{kind}{at_s}", "user_id": "u1", "occurred_at_ms": START_MS + int(at_s * 1000),
            **fields}  # fmt: skip


def flush(state: PartitionState, store: StateStore) -> None:
    drained = state.drain()
    store.write([*drained.records, (META_KEY, msgspec.json.encode(drained.meta))])
    state.written(cached_users=100)


def counted(items: ItemTable) -> tuple[Any, ...]:
    n = items.n
    return (
        items.totals[:n].tolist(),
        items.decayed[:n].tolist(),
        items.at_ms[:n].tolist(),
        items.base_rate,
        [tuple(part.tolist() for part in items.neighbours(slot)) for slot in range(n)],
    )


def test_a_partition_that_comes_back_unflushed_counts_nothing_twice(open_engine: Open, tmp_path: Path) -> None:
    """The item table outlives the partition: what it counted after the last flush will be processed again."""
    log = records(shop_log(num_slates=30))
    engine, store = open_engine(tmp_path / "state")
    items, settings, lists = engine.state.items, engine._settings, engine._lists
    engine.process(log[:100])
    flush(engine.state, store)
    as_flushed = counted(items)
    engine.process(log[100:])
    expected = counted(items)

    state = PartitionState(0, store, items, LabelPlan.of(settings.labels))
    state.load()
    when_opened = counted(items)
    Partition(state, settings, lists).process(log[100:])
    found = counted(items)
    store.close()

    assert when_opened == as_flushed
    assert found == expected != as_flushed


def test_a_load_pauses_between_steps_and_takes_over_everything(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    shown = [{"item_id": f"x{n}", "position": n} for n in range(450)]
    for number in range(3):
        named = [item | {"item_id": f"{item['item_id']}-{number}"} for item in shown]
        impression = event("impression", number, slate_id=f"s{number}", surface="home", items=named)
        engine.process(records([impression], first_offset=number))
    flush(engine.state, store)
    expected = counted(engine.state.items)

    state = PartitionState(0, store, engine.state.items, engine.state.plan)
    pauses = sum(1 for _ in state.load_steps())
    found = counted(state.items)
    store.close()

    assert pauses == -(-3 * 450 // LOAD_STEP)
    assert (state.offset, state.max_event_ms, len(state.deadlines)) == (2, START_MS + 2000, 3)
    assert found == expected


@pytest.mark.parametrize("is_flushed", [False, True])
def test_forget_finds_slates_that_no_impression_and_no_flush_has_seen(
    open_engine: Open, tmp_path: Path, *, is_flushed: bool
) -> None:
    """A query waits for its impression in the state, and so does a click that came first."""
    engine, store = open_engine(tmp_path / "state")
    before = [
        event("rank", 0, request_id="asked", surface="home", query="private words"),
        event("click", 1, item_id="i1", slate_id="early"),
        event("impression", 2, slate_id="shown", surface="home", items=[{"item_id": "i1", "position": 0}]),
    ]
    engine.process(records(before))
    if is_flushed:
        flush(engine.state, store)
    engine.process(records([event("forget", 3)], first_offset=len(before)))
    flush(engine.state, store)
    left = [key for key, raw in store.scan(b"") if b"u1" in key or b"private" in raw]
    held = [engine.state.slates.get(f"u1\0{slate}") for slate in ("asked", "early", "shown")]
    store.close()

    assert (left, held) == ([], [None, None, None])


def test_forget_leaves_users_whose_id_begins_alike(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    impression = event("impression", 0, slate_id="s", surface="home", items=[{"item_id": "i1", "position": 0}])
    engine.process(records([impression | {"user_id": "u10"}, event("forget", 1)]))
    flush(engine.state, store)
    left = [key for key, _ in store.scan(b"") if b"u1" in key]
    store.close()
    assert left == [b"d:u10\x000", b"s:u10\x00s", b"u:u10"]


def test_a_list_that_was_under_way_does_not_bring_a_forgotten_user_back(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    made = MadeList(
        [1],
        {
            "slate_id": "s",
            "user_id": "u1",
            "surface": "home",
            "items": [{"item_id": "i1", "kind": "product", "score": 1.0, "predictions": {}}],
            "model_version": 1,
            "features_as_of_ms": 0,
            "watermark_ms": 0,
            "scored_at_ms": 0,
            "cause": "event",
            "score_weights": {},
            "policy": "explore",
            "propensity": [0.5],
            "explanation": None,
        },
    )
    engine.process(records([event("view", 0, item_id="i1")]))
    engine.note_list(made)
    known = engine.state.user("u1").offers
    engine.process(records([event("forget", 1)], first_offset=1))
    engine.note_list(made)
    flush(engine.state, store)
    left = [key for key, _ in store.scan(b"") if b"u1" in key]
    store.close()

    assert ([(offer.slate_id, offer.surface) for offer in known], left) == ([("s", "home")], [])


def test_a_window_that_is_no_whole_number_in_binary_closes(open_engine: Open, tmp_path: Path) -> None:
    """1.001 * 1000 is 1000.9999999999999: a watermark of 1,000 ms must neither close the window nor wait for ever."""
    engine, store = open_engine(tmp_path / "state")
    engine.state.plan = LabelPlan.of(LabelSettings(window_overrides_s={"click": 1.001}))
    impression = event("impression", 0, slate_id="s", surface="home", items=[{"item_id": "i1", "position": 0}])
    found = []
    for offset, one in enumerate([impression, event("watermark", 1), event("watermark", 1.0011)]):
        raw = one | ({"user_id": ""} if one["type"] == "watermark" else {})
        found.append(engine.process(records([raw], first_offset=offset)).counts["labels_click"])
    store.close()
    assert found == [0, 0, 1]


def test_a_task_declared_later_is_labelled_from_then_on_only(open_engine: Open, tmp_path: Path) -> None:
    """Views before the declaration have left no label, and are not to be learned as never."""
    opened = Task(name="opened", label=LabelRule(on=("view",)), window_s=20)
    engine, store = open_engine(tmp_path / "state")
    engine.process(records([impression(0, "i1", slate="s1"), event("view", 1, item_id="i1", slate_id="s1")]))
    flush(engine.state, store)
    plan = LabelPlan.of(LabelSettings(tasks=(*DEFAULT_TASKS, opened)))
    found = []
    for first_offset, slate, at_s in ((2, "s2", 2), (5, "s3", 60)):
        state = PartitionState(0, store, engine.state.items, plan)
        state.load()
        engine.state = state
        log = [impression(at_s, "i1", slate=slate), event("view", at_s + 1, item_id="i1", slate_id=slate)]
        outputs = engine.process(records([*log, event("view", at_s + 40, item_id="i9")], first_offset))
        found += [
            (one.slate_id, one.values) for one in decoded(outputs) if isinstance(one, Labels) and one.task == "opened"
        ]
        flush(state, store)
    store.close()
    assert found == [("s2", [1.0]), ("s3", [1.0])]
