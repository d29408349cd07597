"""A user who is forgotten stays forgotten: late, repeated and replayed events do not bring anything back."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from streams.examples.records import Forget, decode_record
from streams.features.forgotten_users import HORIZON_MS, ForgottenUsers, forgotten_key
from streams.features.state_store import META_KEY, StateStore
from streams.settings import Settings
from streams.worker.partition import Partition
from streams.worker.sent_records import output_records
from tests.worker.event_log import START_MS, records
from tests.worker.one_user import event, impression

Open = Callable[[Path], tuple[Partition, StateStore]]
BEFORE = [impression(0, "i1"), event("click", 1, item_id="i1", slate_id="s1")]


def flush(engine: Partition, store: StateStore) -> None:
    drained = engine.state.drain()
    store.write([*drained.records, (META_KEY, msgspec.json.encode(drained.meta))])
    engine.state.written(cached_users=0)


def of_user(store: StateStore, user_id: str) -> list[bytes]:
    return [key for key, _ in store.scan(b"") if user_id.encode() in key]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_events_from_before_are_refused_and_a_later_one_starts_a_new_user(
    open_engine: Open, tmp_path: Path, *, is_restarted: bool
) -> None:
    engine, store = open_engine(tmp_path / "state")
    engine.process(records([*BEFORE, event("forget", 2)]))
    if is_restarted:
        flush(engine, store)
        store.close()
        engine, store = open_engine(tmp_path / "state")
    late = [*BEFORE, event("view", 2, item_id="i2"), event("forget", 2), event("dwell", 1.5, item_id="i1", dwell_s=3)]
    outputs = engine.process(records(late, first_offset=3))
    flush(engine, store)
    assert (outputs.counts["of_forgotten"], outputs.forgotten, outputs.examples) == (5, [], [])
    assert of_user(store, "u1") == []

    engine.process(records([event("view", 2.001, item_id="i2")], first_offset=8))
    totals = engine.state.user("u1").totals
    store.close()
    assert totals == [0, 1, 0, 0, 0, 0]


def test_what_was_counted_ahead_of_the_forget_is_gone_as_well(open_engine: Open, tmp_path: Path) -> None:
    """Clocks of two devices differ: the impression came first, and says that it happened later."""
    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(records([impression(5, "i1"), event("forget", 2)]))
    late = engine.process(records([event("click", 4, item_id="i1", slate_id="s1")], first_offset=2))
    store.close()
    assert [gone.at_ms for gone in outputs.forgotten] == [START_MS + 5000]
    assert late.counts["of_forgotten"] == 1


def test_a_user_who_came_back_can_be_forgotten_again(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    log = [*BEFORE, event("forget", 2), event("view", 3, item_id="i2"), event("forget", 4)]
    outputs = engine.process(records(log))
    flush(engine, store)
    left = of_user(store, "u1")
    store.close()
    assert ([gone.at_ms for gone in outputs.forgotten], left) == ([START_MS + 2000, START_MS + 4000], [])


def test_a_list_asked_for_before_is_not_published_after_the_removal(open_engine: Open, tmp_path: Path) -> None:
    """All in one chunk: lists are scored when its events are applied."""
    engine, store = open_engine(tmp_path / "state")
    asked = [event("rank", at_s, request_id=f"r{at_s}", surface="home") for at_s in (1, 3)]
    log = [*BEFORE, asked[0], event("rank", 1, user_id="u2", request_id="other", surface="home"), event("forget", 2)]
    outputs = engine.process(records([*log, asked[1], event("click", 3, item_id="i1")]))
    store.close()
    assert [due.task.slate_id for due in outputs.ranks] == ["other", "r3"]
    assert len(outputs.triggers) == 1


def test_others_are_not_touched(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    other = [one | {"user_id": "u10"} for one in BEFORE]
    engine.process(records([*BEFORE, event("forget", 2), *other]))
    store.close()
    assert engine.state.user("u10").totals[:3] == [1, 0, 1]


def test_the_trainer_is_told_on_every_partition_after_the_examples(
    open_engine: Open, tmp_path: Path, settings: Settings
) -> None:
    engine, store = open_engine(tmp_path / "state")
    outputs = engine.process(records([*BEFORE, event("forget", 2)]))
    again = engine.process(records([*BEFORE, event("forget", 2)]))
    store.close()
    sent = [
        (record.partition, decode_record(record.value or b"")) for record in output_records(settings, outputs, 0, 0)
    ]
    assert [type(example).__name__ for _, example in sent] == ["Shown", "Forget", "Forget", "Forget"]
    assert sent[1:] == [(number, Forget(user_id="u1", at_ms=START_MS + 2000)) for number in range(3)]
    assert output_records(settings, again, 0, 0) == []


def test_the_memory_of_forgotten_users_ends_with_the_horizon_and_not_before_history_is_erased(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state")
    users = ForgottenUsers(store)
    users.add("u1", START_MS)
    assert users.is_of_before("u1", START_MS, START_MS + HORIZON_MS - 1)
    assert not users.is_of_before("u1", START_MS, START_MS + HORIZON_MS)
    assert [key for key, _ in users.drain(START_MS + HORIZON_MS)] == [forgotten_key("u1")]
    users.history_erased({"u1": START_MS - 1})
    assert users.with_history() == {"u1": START_MS}
    users.history_erased({"u1": START_MS})
    assert users.with_history() == {}
    assert users.drain(START_MS + HORIZON_MS) == [(forgotten_key("u1"), None)]
    store.close()
