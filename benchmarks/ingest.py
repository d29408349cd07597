"""Events a second of one worker process on a real local Kafka, everything on but re-ranking, and where its time goes.

The log (ingest_log.py) is in Kafka before anybody reads it. Three processes read it one after another: a stock Faust
agent that does nothing (for at most half a minute), the worker only reading and validating, and the worker. Each is
timed from its first event to the commit of the log's end; the worker also until the rows of all items are written.
Re-ranking takes no part, as every trigger in such a backlog is older than what is worth refreshing. `cpu_us`: processor
time of the process per event, which others on the machine change less.

Run `python -m benchmarks.ingest --json FILE` (2 M events; `--events 300000` for a first look).
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.ingest_log import MIX, NUM_ITEMS, NUM_USERS, catalogue_records, event_records
from benchmarks.ingest_roles import FIRST_EVENT
from benchmarks.machine import machine
from streams.kafka.admin import create_topics
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.kafka.group_offsets import GroupOffsets, Place
from streams.kafka.local_broker import LocalBroker
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["main"]

NUM_EVENTS, ROUND_RECORDS, SEED = 2_000_000, 20_000, 0
LOOK_S, PEER_CAP_S = 0.1, 30.0
LIBRARIES = ("freshrank", "faust-streaming", "aiokafka", "pydantic", "rocksdict", "feast")
GOALS = {"validate": 0.3, "faust": 3.0, "metarank": 12.0}
# Metarank 0.7.11's import of the RankLens log into memory, measured on a 2-core machine: not part of this run.
METARANK_EVENTS_PER_S = 2_769.0


@dataclass(slots=True)
class Drain:
    """How far a process came: events between two moments, and what they cost."""

    events: int
    seconds: float
    cpu_s: float

    def figures(self) -> dict[str, float]:
        """For the report."""
        return {
            "events_per_s": self.events / self.seconds,
            "cpu_us": 1e6 * self.cpu_s / self.events,
            "events": self.events,
            "seconds": self.seconds,
        }


async def fill(settings: Settings, num_events: int) -> None:
    """Put catalogue and events on their topics."""
    topics = topic_specs(settings)
    start_ms = int(time.time() * 1000) - num_events // 2 - 600_000
    logs = (
        catalogue_records(topics["catalogue"].name, SEED),
        event_records(topics["events"].name, num_events, SEED, start_ms),
    )
    async with BulkSender(settings) as sender:
        for log in logs:
            held: list[BulkRecord] = []
            for record in log:
                held.append(record)
                if len(held) >= ROUND_RECORDS:
                    await sender.send(held)
                    held = []
            await sender.send(held)
        await sender.flush()


class Watched:
    """A process of ingest_roles.py, and how far its group has come."""

    def __init__(self, settings: Settings, offsets: GroupOffsets, *role: str) -> None:
        self._offsets, self._group = offsets, f"{settings.topic_prefix}{role[0]}"
        topics = topic_specs(settings)
        self._events, self._item_counts = topics["events"].name, topics["item-counts"].name
        own = settings.model_copy(update={"data_dir": settings.data_dir / role[0]})
        own.data_dir.mkdir(parents=True)
        self._log, self._first_event = (own.data_dir / "log").open("w+"), own.data_dir / FIRST_EVENT
        command = [sys.executable, "-m", "benchmarks.ingest_roles", *role]
        self._process = subprocess.Popen(command, env=own.child_env(), stdout=self._log, stderr=self._log)

    def drained(self, *, cap_s: float = float("inf"), with_item_rows: bool = False) -> Drain:
        """Watch from the first event until the group has committed the log's end, or for `cap_s`; then stop it."""
        ends = {place: end for place, end in self._offsets.ends([self._events]).items() if end}
        while not self._first_event.exists():
            self._look()
        start_s, start_cpu_s = time.perf_counter(), self._cpu_s()
        while True:
            self._look()
            committed = self._offsets.committed(self._group)
            done, passed_s = sum(committed.get(place, 0) for place in ends), time.perf_counter() - start_s
            is_at_end = done == sum(ends.values()) and not (with_item_rows and self._has_counts_left(committed))
            if is_at_end or (passed_s > cap_s and done):
                found = Drain(done, passed_s, self._cpu_s() - start_cpu_s)
                self._process.terminate()
                self._process.wait()
                return found

    def _look(self) -> None:
        time.sleep(LOOK_S)
        if self._process.poll() is not None:
            self._log.seek(0)
            raise RuntimeError(f"a process ended by itself; it said:\n{self._log.read()[:6000]}")

    def _has_counts_left(self, committed: dict[Place, int]) -> bool:
        ends = self._offsets.ends([self._item_counts])
        return any(committed.get(place, 0) < end for place, end in ends.items())

    def _cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(settings: Settings, profile_file: Path) -> dict[str, Drain]:
    """Every process in turn."""
    with GroupOffsets(settings) as offsets:
        return {
            "faust": Watched(settings, offsets, "faust").drained(cap_s=PEER_CAP_S),
            "validate": Watched(settings, offsets, "validate").drained(),
            "worker": Watched(settings, offsets, "worker", str(profile_file)).drained(with_item_rows=True),
        }


def report(ran_on: dict[str, object], found: dict[str, Drain], stages_s: dict[str, float]) -> dict[str, Any]:
    """Everything that is printed."""
    figures = {name: drain.figures() for name, drain in found.items()}
    own = figures["worker"]["events_per_s"]
    peers = {name: figures[name]["events_per_s"] for name in ("validate", "faust")}
    peers["metarank"] = METARANK_EVENTS_PER_S
    return {
        "machine": ran_on,
        "versions": {
            name: version(name) for name in ("freshrank", "faust-streaming", "aiokafka", "rocksdict", "feast")
        },
        "facts": {"mix": MIX, "users": NUM_USERS, "items": NUM_ITEMS, "partitions": Settings().num_partitions},
        "own": {"worker": figures["worker"], "read and validate only": figures["validate"]},
        "own_cpu_us_by_stage": {stage: 1e6 * s / found["worker"].events for stage, s in stages_s.items()},
        "peers": {
            "stock Faust agent that does nothing": figures["faust"],
            "Metarank 0.7.11 import (measured by this project, another run)": {"events_per_s": METARANK_EVENTS_PER_S},
        },
        "ratios": {f"worker / {name}": own / peer for name, peer in peers.items()},
        "goals": {f"worker / {name}": goal for name, goal in GOALS.items()},
    }


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description="events a second of one worker process")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--events", type=int, default=NUM_EVENTS)
    arguments = parser.parse_args()
    ran_on = machine()
    with (
        tempfile.TemporaryDirectory(prefix="freshrank-ingest-") as folder,
        LocalBroker(Path(folder, "kafka"), cache_dir=Settings().cache_dir) as broker,
    ):
        given = {"bootstrap_servers": broker.bootstrap_servers, "data_dir": Path(folder)}
        settings = Settings().model_copy(update=given)
        create_topics(settings)
        asyncio.run(fill(settings, arguments.events))
        profile_file = Path(folder, "profile.json")
        found = measure(settings, profile_file)
        result = report(ran_on, found, json.loads(profile_file.read_text()))
    text = json.dumps(result, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
