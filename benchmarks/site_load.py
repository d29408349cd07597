"""A site under load, as a process of its own: the event mix of the ingest benchmark, live, at rates given in steps.

Events happen when they are sent. `site` sends through the site's own client (up to some thousands a second), `bulk` in
whole batches, for rates that one Python process could not reach otherwise. Started by the benchmarks, with settings in
the environment; what it did lands in a JSON file at its end.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import orjson

from benchmarks.ingest_log import event_records
from streams.clients.event_producer import EventProducer
from streams.clock import SystemClock
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.settings import Settings

__all__ = ["Client", "Sent", "SiteLoad", "Step", "live_events"]

Client = Literal["site", "bulk"]
ROUND_S = 0.01
MAX_ROUND_EVENTS = 2_000
_START = "from benchmarks.site_load import send_all; send_all()"


@dataclass(frozen=True, slots=True)
class Step:
    """So many events a second for so long."""

    events_per_s: float
    seconds: float

    @property
    def num_events(self) -> int:
        """Of the whole step."""
        return int(self.events_per_s * self.seconds)


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent in a step, between two moments of the wall clock. A step that could not keep up is cut short."""

    began_ms: int
    ended_ms: int
    num_sent: int
    num_dropped: int

    @property
    def events_per_s(self) -> float:
        """What was reached."""
        return 1000 * self.num_sent / max(self.ended_ms - self.began_ms, 1)


class SiteLoad:
    """The process. `name` keeps its events apart from those of other loads on the same topic."""

    def __init__(
        self, settings: Settings, name: str, steps: Sequence[Step], seed: int, client: Client = "site"
    ) -> None:
        self._result = settings.data_dir / f"load-{name}.json"
        plan = json.dumps([asdict(step) for step in steps])
        command = [sys.executable, "-c", _START, name, plan, str(seed), client, str(self._result)]
        self._process = subprocess.Popen(command, env=settings.child_env())

    @property
    def is_running(self) -> bool:
        """False once everything is in Kafka."""
        return self._process.poll() is None

    def sent(self) -> list[Sent]:
        """Wait for the end; what was sent in each step. Raises RuntimeError when it failed."""
        if self._process.wait():
            raise RuntimeError(f"the load ended with exit code {self._process.returncode}; its traceback stands above")
        return [Sent(**step) for step in json.loads(self._result.read_text())]

    def kill(self) -> None:
        """End it at once, if it still runs."""
        self._process.kill()
        self._process.wait()


def live_events(name: str, num: int, seed: int) -> Iterator[dict[str, Any]]:
    """The events of the ingest log in its order, without times; ids of events, slates and sessions are `name`'s own."""
    for record in event_records("", num, seed, 0):
        event: dict[str, Any] = orjson.loads(record.value or b"")
        del event["occurred_at_ms"]
        for field in ("event_id", "slate_id", "session_id"):
            if field in event:
                event[field] = f"{name}-{event[field]}"
        yield event


def send_all() -> None:
    """The process: sends all steps, one after the other."""
    name, plan, seed, client, result = sys.argv[1:]
    steps = [Step(**step) for step in json.loads(plan)]
    events = live_events(name, sum(step.num_events for step in steps), int(seed))
    first = next(events)  # the log is drawn before the clock starts
    events = (event for part in ([first], events) for event in part)
    settings = Settings()
    sent = _by_site(settings, steps, events) if client == "site" else asyncio.run(_by_bulk(settings, steps, events))
    Path(result).write_text(json.dumps([asdict(step) for step in sent]))


def _by_site(settings: Settings, steps: Sequence[Step], events: Iterator[dict[str, Any]]) -> list[Sent]:
    clock, found = SystemClock(), list[Sent]()
    with EventProducer(settings=settings) as producer:
        for step in steps:
            began_ms, num_sent, num_dropped = clock.now_ms(), 0, 0
            for num in _rounds(step):
                taken = [producer.send(event) for event in islice(events, num)]
                num_sent += len(taken)
                num_dropped += taken.count(False)
            found.append(Sent(began_ms, clock.now_ms(), num_sent, num_dropped))
        producer.flush(60.0)
    return found


async def _by_bulk(settings: Settings, steps: Sequence[Step], events: Iterator[dict[str, Any]]) -> list[Sent]:
    clock, found, topic = SystemClock(), list[Sent](), f"{settings.topic_prefix}events"
    async with BulkSender(settings) as sender:
        for step in steps:
            began_ms, num_sent = clock.now_ms(), 0
            for num in _rounds(step):
                now_ms, chosen = clock.now_ms(), list(islice(events, num))
                raws = [orjson.dumps({**event, "occurred_at_ms": now_ms}) for event in chosen]
                await sender.send(
                    BulkRecord(topic, event["user_id"], raw) for event, raw in zip(chosen, raws, strict=True)
                )
                num_sent += len(chosen)
                await asyncio.sleep(0)
            found.append(Sent(began_ms, clock.now_ms(), num_sent, 0))
        await sender.flush()
    return found


def _rounds(step: Step) -> Iterator[int]:
    """How many events are due now, again and again until the step is over."""
    began_s, num = time.perf_counter(), 0
    while (passed_s := time.perf_counter() - began_s) < step.seconds:
        due = min(int(passed_s * step.events_per_s) - num, MAX_ROUND_EVENTS)
        if due > 0:
            num += due
            yield due
        else:
            time.sleep(ROUND_S)
