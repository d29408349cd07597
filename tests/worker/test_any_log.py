"""Any log, damaged as it may be, gives the same however it is cut into chunks, flushed, and begun anew."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.features.state_store import META_KEY, StateStore
from streams.worker.partition import Partition
from tests.fuzz.mutations import mutate
from tests.worker.event_log import START_MS, Record, records, shop_log

Open = Callable[[Path], tuple[Partition, StateStore]]
GOOD = [record.value or b"" for record in records(shop_log(num_slates=12, seed=3))]
RAWS = st.lists(
    st.one_of(
        st.sampled_from(GOOD),
        st.builds(lambda raw, seed: mutate(Random(seed), raw), st.sampled_from(GOOD), st.integers(0, 10**6)),
        st.binary(max_size=20),
        st.none(),
    ),
    max_size=60,
)
CUTS = st.lists(st.tuples(st.integers(1, 30), st.booleans(), st.booleans()), min_size=1, max_size=8)


def run(open_engine: Open, log: Sequence[Record], cuts: Sequence[tuple[int, bool, bool]]) -> tuple[Any, ...]:
    """Outputs and the disk. A cut: records of the chunk, whether it is flushed, whether the worker starts anew then."""
    with tempfile.TemporaryDirectory() as folder:
        engine, store = open_engine(Path(folder))
        examples, refused, ranked, done, turn = [], [], [], 0, 0
        while done < len(log):
            size, should_flush, should_restart = cuts[turn % len(cuts)]
            outputs = engine.process(log[done : done + size])
            examples += outputs.examples
            refused += [(record.offset, refusal.reason, refusal.detail) for record, refusal in outputs.rejected]
            ranked += [
                [
                    due.task.slate_id,
                    *(array.tobytes() for array in (due.task.user_U, due.task.item_NI, due.task.cross_NX)),
                ]
                for due in outputs.ranks
            ]
            done, turn = done + size, turn + 1
            if should_flush:
                flush(engine, store)
                if should_restart:
                    store.close()
                    engine, store = open_engine(Path(folder))
        flush(engine, store)
        found = dict(store.scan(b""))
        store.close()
    return examples, refused, ranked, found


def flush(engine: Partition, store: StateStore) -> None:
    drained = engine.state.drain()
    store.write([*drained.records, (META_KEY, msgspec.json.encode(drained.meta))])
    engine.state.written(cached_users=3)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RAWS, CUTS)
def test_any_log_gives_the_same_however_it_is_cut(
    open_engine: Open, raws: list[bytes | None], cuts: list[tuple[int, bool, bool]]
) -> None:
    log = [Record(n, START_MS + 100_000 + n, b"k", raw) for n, raw in enumerate(raws)]

    assert run(open_engine, log, cuts) == run(open_engine, log, [(1, True, False)])


def test_a_long_log_gives_the_same_in_chunks_of_one_seven_and_a_thousand(open_engine: Open) -> None:
    """With features value by value, also of requests, and restarts between chunks."""
    log = records(shop_log(num_slates=40, seed=9))
    expected = run(open_engine, log, [(1, True, False)])

    assert run(open_engine, log, [(7, True, True)]) == expected
    assert run(open_engine, log, [(1000, True, False)]) == expected
    assert len(expected[2]) >= 40
