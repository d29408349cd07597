"""Events a second of 1, 2 and 4 workers on one machine, what limits them, and a model on paper for far more.

Each size gets topics of its own with the same log of the ingest benchmark in them, then its workers. Timed from the
moment at which all of them own their partitions until the log's end is committed, so the log must outlast the start.
Processor seconds by process say what limits: with `cores_busy` near the cores of the machine, it is the machine.
The paper model (benchmarks/capacity.py) multiplies unit costs of the run with one worker.

`python -m benchmarks.scale --events 2000000 --freshness FRESHNESS.json --json FILE`.
"""

import argparse
import asyncio
import json
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.capacity import UnitCosts, paper_model
from benchmarks.ingest import fill
from benchmarks.live_run import tell
from benchmarks.machine import machine
from benchmarks.process_cost import cpu_s
from benchmarks.redis_rows import redis_row_bytes
from benchmarks.waits import rounded
from benchmarks.worker_fleet import WorkerFleet
from streams.kafka.admin import create_topics
from streams.kafka.group_offsets import GroupOffsets
from streams.kafka.local_broker import LocalBroker
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["main"]

NUM_WORKERS = (1, 2, 4)
# Per event; the others are of what follows from events.
WIRE_TOPICS = ("events", "state-changelog", "item-counts", "training-examples")
Figures = dict[str, Any]


def measure(settings: Settings, num_workers: int, num_events: int, broker_pid: int) -> Figures:
    """One size, on topics that are filled already."""
    events = [topic_specs(settings)["events"].name]
    with GroupOffsets(settings) as offsets, WorkerFleet(settings, num_workers) as fleet:
        fleet.wait_ready()
        pids = {**fleet.pids, "broker": broker_pid}
        began_s, left = time.perf_counter(), fleet.num_left(offsets, events)
        before_s = {name: cpu_s(pid) for name, pid in pids.items()}
        if left < num_events / 3:
            raise RuntimeError(
                f"{left:,} of {num_events:,} events were left when the workers stood; give more --events"
            )
        while fleet.num_left(offsets, events):
            fleet.look()
        seconds = time.perf_counter() - began_s
        spent_s = {name: cpu_s(pid) - before_s[name] for name, pid in pids.items()}
        fleet.wait_consumed(offsets)
    workers_s = sum(spent for name, spent in spent_s.items() if name != "broker")
    return {
        "events_per_s": rounded(left / seconds),
        "events": left,
        "seconds": rounded(seconds),
        "cpu_s": {name: rounded(spent) for name, spent in spent_s.items()},
        "cores_busy": rounded(sum(spent_s.values()) / seconds),
        "worker_cpu_us_per_event": rounded(1e6 * workers_s / left),
        "broker_cpu_us_per_event": rounded(1e6 * spent_s["broker"] / left),
    }


def wire_bytes(kafka_folder: Path, settings: Settings, num_events: int) -> dict[str, float]:
    """Bytes in each topic's log per event; batches lie there as they were sent."""
    topics = topic_specs(settings)
    return {
        short: sum(path.stat().st_size for path in kafka_folder.rglob(f"{topics[short].name}-*/*.log")) / num_events
        for short in WIRE_TOPICS
    }


def list_cpu_ms(freshness_file: Path | None) -> float | None:
    """Processor time of the worker for one own list, from the JSON of benchmarks/freshness.py."""
    if freshness_file is None:
        return None
    found: float = json.loads(freshness_file.read_text())["own"]["worker cpu_ms per own list"]
    return found


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000, help="events for each size")
    parser.add_argument("--workers", type=int, nargs="+", default=NUM_WORKERS)
    parser.add_argument("--freshness", type=Path, help="JSON of benchmarks/freshness.py, for what a list costs")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    ran_on = machine()
    sizes: dict[str, Figures] = {}
    wire: dict[str, float] = {}
    per_list_ms = list_cpu_ms(given.freshness)
    with tempfile.TemporaryDirectory(prefix="freshrank-redis-") as folder:
        redis_bytes = redis_row_bytes(Path(folder))
    with (
        tempfile.TemporaryDirectory(prefix="freshrank-scale-") as folder,
        LocalBroker(Path(folder, "kafka"), cache_dir=Settings().cache_dir) as broker,
    ):
        for num in given.workers:
            own = {"topic_prefix": f"scale{num}.", "data_dir": Path(folder, f"scale{num}")}
            settings = Settings().model_copy(update={"bootstrap_servers": broker.bootstrap_servers, **own})
            create_topics(settings)
            tell(f"filling {given.events:,} events for {num} workers")
            asyncio.run(fill(settings, given.events))
            assert broker.pid is not None
            sizes[str(num)] = measure(settings, num, given.events, broker.pid)
            tell(f"{num} workers: {sizes[str(num)]}")
            wire = wire or wire_bytes(Path(folder, "kafka"), settings, given.events)
        first = sizes[str(given.workers[0])]
        costs = UnitCosts(
            worker_cpu_us_per_event=first["worker_cpu_us_per_event"],
            broker_cpu_us_per_event=first["broker_cpu_us_per_event"],
            list_cpu_ms=per_list_ms,
            wire_bytes_per_event=wire,
            redis_bytes_per_row=redis_bytes,
        )
    result = {
        "machine": ran_on,
        "versions": {name: version(name) for name in ("freshrank", "faust-streaming", "aiokafka", "rocksdict")},
        "own": {"by number of workers": sizes, "unit costs": costs.as_json()},
        "peers": {},
        "ratios": {
            f"{n} workers / {given.workers[0]}": rounded(one["events_per_s"] / first["events_per_s"])
            for n, one in sizes.items()
        },
        "paper model": paper_model(costs),
    }
    text = json.dumps(result, indent=2)
    if given.json:
        given.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
