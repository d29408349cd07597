"""A run of many mutated records through the whole worker, and what must hold after every chunk."""

import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Any

from streams.events.dead_letter import DeadLetter
from streams.events.rejection import REASONS
from streams.events.schema import EVENT_TYPES
from streams.features.count_record import TOTALS
from streams.kafka.partitioner import partition_for
from tests.fuzz.memory_kafka import MemoryRecord
from tests.fuzz.mutated_log import MutatedLog
from tests.fuzz.mutations import mutate
from tests.fuzz.traffic import catalogue_bytes
from tests.fuzz.whole_worker import WholeWorker, fuzz_settings

__all__ = ["Progress", "fuzz"]

FLUSH_EVERY, ITEMS_EVERY = 5, 20
# Processor time of a chunk of a thousand, at the very most: far from the time after which Kafka gives its partition to
# another worker.
STALL_S = 2.0
OUTCOMES = {*EVENT_TYPES, "watermark", "duplicate", "of_forgotten", "refused", "sent on"}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `num_items`: ids met so far; each takes memory for good."""

    records: int
    taken: dict[str, int]
    rss_bytes: int
    num_items: int
    slowest_s: float
    records_per_s: float


async def fuzz(
    folder: Path, records: int, seed: int, say: Callable[[Progress], None], *, every: int = 50_000,
    log: Iterator[bytes] | None = None,
) -> WholeWorker:  # fmt: skip
    """Take `records` mutated records; `say` is called now and then. Raises AssertionError at the first thing wrong."""
    worker = WholeWorker(fuzz_settings(folder))
    source, random = MutatedLog(seed, worker.settings.num_partitions, log), Random(seed)
    num, num_chunks, slowest_s, began_s = 0, 0, 0.0, perf_counter()
    while num < records:
        chunk = source.chunk(random.choice([1, 7, 300, 1000]))
        if not any(chunk.values()):
            break
        if num_chunks % ITEMS_EVERY == 0:
            learn(worker, random, num_chunks)
        back = [(one.key, one.value, one.partition or 0) for one in drain(worker, "events")]
        for batch in (chunk, source.sent_on(back)):
            for number, part in batch.items():
                if part:
                    started_s = process_time()
                    await worker.ingest(number, part)
                    slowest_s = max(slowest_s, process_time() - started_s)
                    num += len(part)
        num_chunks += 1
        if num_chunks % FLUSH_EVERY == 0:
            await worker.flush()
            check(worker, num, slowest_s)
        if num // every > (num - sum(map(len, chunk.values()))) // every:
            say(progress(worker, num, slowest_s, num / (perf_counter() - began_s)))
    await worker.flush()
    check(worker, num, slowest_s)
    say(progress(worker, num, slowest_s, num / (perf_counter() - began_s)))
    return worker


def learn(worker: WholeWorker, random: Random, turn: int) -> None:
    """The shop's items, and damaged ones between them."""
    for n, raw in enumerate(catalogue_bytes()):
        values = [raw] if turn == 0 else [mutate(random, raw)]
        worker.learn_items(n % 2, [MemoryRecord(turn * 100 + n, worker.clock.now_ms(), b"i", v) for v in values])
    worker.learn_items(0, [MemoryRecord(turn * 100 + 99, worker.clock.now_ms(), random.choice([b"i1", b"\xff"]), None)])


def drain(worker: WholeWorker, short: str) -> list[Any]:
    found = list(worker.kafka.kept[short])
    worker.kafka.kept[short].clear()
    return found


def check(worker: WholeWorker, num: int, slowest_s: float) -> None:
    """Every record became exactly one thing, every refused one has its letter, counters are what was counted."""
    outcomes = {kind: worker.taken[kind] for kind in OUTCOMES}
    assert sum(outcomes.values()) == num, f"{num} records, but {outcomes}"
    letters = [DeadLetter.decode(one.value or b"") for one in drain(worker, "dead-letters")]
    assert all(letter.reason in REASONS and letter.detail for letter in letters)
    assert worker.kafka.num["dead-letters"] == worker.taken["refused"]
    assert slowest_s < STALL_S, f"a chunk took {slowest_s:.1f} s of processor time"
    items = worker.knowledge.items
    totals = dict(zip(TOTALS, items.totals[: items.n].sum(axis=0).tolist(), strict=True))
    for kind in ("view", "click", "cart", "order"):
        assert totals[f"{kind}s"] == worker.taken[kind], f"{kind}: {totals}, but {outcomes}"
    assert list(worker.metrics.skewed.collect()[0].samples) == [], "features differ from those computed anew"
    for partition in worker.partitions:
        state = partition.engine.state
        assert len(state.deadlines) <= worker.settings.labels.open_slates_max
        strangers = [u for u in list(state.users._held)[-20:] if partition_for(u, 2) != state.number]
        assert strangers == []


def progress(worker: WholeWorker, num: int, slowest_s: float, records_per_s: float) -> Progress:
    return Progress(num, dict(worker.taken), rss_bytes(), worker.knowledge.items.n, slowest_s, records_per_s)


def rss_bytes() -> int:
    """Resident memory of this process now."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize()
