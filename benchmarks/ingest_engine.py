"""The worker's work on a log in this process, without Kafka: processor time per event by step, and a digest of results.

For before and after of a change: the digest covers every example, state record, item count and feature row, so an equal
one says that nothing came out differently. `process` is all of validation to examples; `drain` makes records of changed
state, `rows` the bytes of feature rows, `write` puts records on the disk. One partition has all users; it is flushed
every CHUNKS_PER_FLUSH chunks, as the twelve of a worker under backlog are together. The first events warm up. The
garbage collector is kept as in a worker.
Run `python -m benchmarks.ingest_engine --events 40000` (`--functions 30` lists the functions that take most).
"""

import argparse
import cProfile
import hashlib
import json
import pstats
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.ingest_log import catalogue_records, event_records
from benchmarks.machine import machine
from streams.events.decode import decode_events
from streams.examples.label_plan import LabelPlan
from streams.features.items import ItemTable
from streams.features.row_wire import encode_records
from streams.features.rows import RowBatch, view_columns
from streams.features.state_store import StateStore
from streams.ranking.candidates import CandidateIndex
from streams.settings import Settings
from streams.worker import heap
from streams.worker.feature_rows import item_rows, user_rows
from streams.worker.list_capture import ListCapture
from streams.worker.partition import Partition
from streams.worker.partition_state import PartitionState

__all__ = ["main"]

CHUNK, CHUNKS_PER_FLUSH, SEED, START_MS = 1_000, 10, 0, 1_750_000_000_000


@dataclass(slots=True)
class Raw:
    """A record as the consumer gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Engine:
    """One partition with all users, its time by step, and the digest of what came out."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings().model_copy(update={"num_partitions": 1})
        self.items = ItemTable(self.settings.catalogue, 1)
        for record in catalogue_records("catalogue", SEED):
            self.items.upsert(orjson.loads(record.value or b""), START_MS)
        self._store = StateStore(folder)
        self.state = PartitionState(0, self._store, self.items, LabelPlan.of(self.settings.labels))
        lists = ListCapture(self.items, CandidateIndex(self.settings.ranking.candidates))
        self._partition = Partition(self.state, self.settings, lists)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.digest = hashlib.blake2b()

    def process(self, chunk: list[Raw]) -> None:
        """A chunk through the state."""
        with self._timed("decode and validate alone"):
            decode_events([record.value for record in chunk])
        with self._timed("process"):
            out = self._partition.process(chunk)
        for key, value in out.examples:
            self.digest.update(key + value)
        self.digest.update(repr(sorted(out.counts.items())).encode())

    def flush(self) -> None:
        """Make what changed durable."""
        with self._timed("drain"):
            drained = self.state.drain()
        with self._timed("rows"):
            rows = self._row_bytes(user_rows(drained.users, self.items))
        with self._timed("write"):
            self._store.write(drained.records)
            self.state.written(self.settings.worker.cached_users)
        slots = np.array(sorted(self.items.slot(item_id) for item_id, _ in drained.items), np.int32)
        with self._timed("item rows"):
            rows += self._row_bytes(item_rows(slots, self.items))
        for key, value in drained.records:
            self.digest.update(key + (value or b""))
        for row in rows:
            self.digest.update(row)

    def _row_bytes(self, batch: RowBatch) -> list[bytes]:
        return encode_records(view_columns(batch.view, self.settings.catalogue.affinity), batch, 0)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        start_s = time.thread_time()
        yield
        self.seconds[step] += time.thread_time() - start_s


def chunks(num_events: int) -> list[list[Raw]]:
    """The log of the ingest benchmark in one partition."""
    log = event_records("events", num_events, SEED, START_MS)
    appended_ms = START_MS + 1_000 * num_events
    raws = [Raw(n, appended_ms, (r.key or "").encode(), r.value or b"") for n, r in enumerate(log)]
    return [raws[first : first + CHUNK] for first in range(0, len(raws), CHUNK)]


def run(engine: Engine, log: list[list[Raw]]) -> None:
    """All chunks, with a flush now and then."""
    for index, chunk in enumerate(log, 1):
        engine.process(chunk)
        if index % CHUNKS_PER_FLUSH == 0:
            engine.flush()
            heap.set_aside()


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description="processor time of ingest per event, by step")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--functions", type=int, default=0, help="list so many functions; slows the run down")
    arguments = parser.parse_args()
    ran_on = machine()
    with tempfile.TemporaryDirectory(prefix="freshrank-engine-") as folder:
        heap.prepare()
        engine = Engine(Path(folder))
        log = chunks(arguments.events)
        warm_up = len(log) // 2
        run(engine, log[:warm_up])
        engine.seconds.clear()
        profile = cProfile.Profile()
        if arguments.functions:
            profile.runcall(run, engine, log[warm_up:])
            pstats.Stats(profile, stream=sys.stderr).sort_stats("cumtime").print_stats(arguments.functions)
        else:
            run(engine, log[warm_up:])
    num = sum(map(len, log[warm_up:]))
    own: dict[str, Any] = {f"{step}, us per event": 1e6 * s / num for step, s in engine.seconds.items()}
    result = {
        "machine": ran_on,
        "own": own | {"digest": engine.digest.hexdigest()[:16]},
        "facts": {"events_warm_up": num, "events_measured": num},
    }
    text = json.dumps(result, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
