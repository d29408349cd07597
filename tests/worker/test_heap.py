"""What the worker relies on when it keeps the collector away from its state."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from streams.features.state_store import META_KEY, StateStore
from streams.worker import heap
from streams.worker.partition import Partition
from tests.worker.event_log import records, shop_log

CHUNK, WARM_UP = 50, 20


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    """The collector of the test run is as it was afterwards."""
    before = gc.get_threshold()
    yield
    gc.enable()
    gc.unfreeze()
    gc.set_threshold(*before)


def test_events_and_flushes_leave_no_reference_cycles(
    open_engine: Callable[[Path], tuple[Partition, StateStore]], tmp_path: Path
) -> None:
    engine, store = open_engine(tmp_path / "state")
    log = records(shop_log(num_slates=400, num_users=40))
    chunks = [log[start : start + CHUNK] for start in range(0, len(log), CHUNK)]
    assert len(chunks) > 2 * WARM_UP
    for number, chunk in enumerate(chunks):
        if number == WARM_UP:
            gc.collect()
            gc.disable()
        engine.process(chunk)
        drained = engine.state.drain()
        store.write([*drained.records, (META_KEY, msgspec.json.encode(drained.meta))])
        engine.state.written(7)
    assert gc.collect() == 0
    store.close()


def test_what_was_set_aside_is_not_looked_at_again_and_new_cycles_are_collected() -> None:
    class Node:
        me: "Node"

    heap.prepare()
    kept = [Node() for _ in range(1000)]
    heap.set_aside()
    assert gc.get_freeze_count() >= len(kept)
    for node in kept:
        node.me = node
    del node
    kept.clear()
    new = Node()
    new.me = new
    del new
    # How many are set aside may fall meanwhile: what nobody refers to any more goes without a collector.
    assert 1 <= gc.collect() < 1000
    gc.unfreeze()
    assert gc.collect() >= 1000
