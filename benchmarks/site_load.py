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
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from benchmarks.ingest_log import OF_SLATE, event_records
from streams.clients.event_producer import EventProducer
from streams.clock import SystemClock
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.settings import Settings

__all__ = ["Client", "Sent", "SiteLoad", "Step", "live_event", "timed_events"]

Client = Literal["site", "bulk"]
ROUND_S = 0.01
MAX_ROUND_EVENTS = 2_000
# Between two events of a slate, on average.
GAP_S = 1.5
SESSION = b'"session-'
_START = "from benchmarks.site_load import send_all; send_all()"


@dataclass(frozen=True, slots=True)
class Step:
    """So many events a second for so long."""

    events_per_s: float
    seconds: float


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


def timed_events(steps: Sequence[Step], seed: int) -> tuple[NDArray[np.float64], list[bytes]]:
    """When each event is due, in seconds from the start, and its bytes; in order of time.

    Slates begin at a tenth of the rate of their step; what follows one comes `GAP_S` apart on average, so the full rate
    is reached some quarter of a minute after a step begins.
    """
    start_s = _slate_starts_s(steps)
    gaps_s = np.random.default_rng(seed).exponential(GAP_S, 2 * len(OF_SLATE) * len(start_s)).tolist()
    last_s: dict[int, float] = {}
    at_s, raws = list[float](), list[bytes]()
    for number, record in enumerate(event_records("", 2 * len(OF_SLATE) * len(start_s), seed, 0)):
        raw = record.value or b""
        slate = int(raw[raw.index(SESSION) + len(SESSION) :][:8])
        if slate >= len(start_s):  # begun after the last step
            continue
        before_s = last_s.get(slate)
        last_s[slate] = start_s[slate] if before_s is None else before_s + gaps_s[number]
        at_s.append(last_s[slate])
        raws.append(raw)
    order = np.argsort(at_s, kind="stable")
    return np.array(at_s)[order], [raws[place] for place in order.tolist()]


def live_event(raw: bytes, name: str) -> dict[str, Any]:
    """An event of the log without its time; ids of events, slates and sessions are `name`'s own."""
    event: dict[str, Any] = orjson.loads(raw)
    del event["occurred_at_ms"]
    return event | {
        field: f"{name}-{event[field]}" for field in ("event_id", "slate_id", "session_id") if field in event
    }


def send_all() -> None:
    """The process: sends all steps, one after the other."""
    name, plan, seed, client, result = sys.argv[1:]
    steps, settings = [Step(**step) for step in json.loads(plan)], Settings()
    rounds = _Rounds(steps, int(seed), name)
    sent = _by_site(settings, rounds) if client == "site" else asyncio.run(_by_bulk(settings, rounds))
    Path(result).write_text(json.dumps([asdict(step) for step in sent]))


class _Rounds:
    """The events of each step as they fall due. The clock starts with the first step."""

    def __init__(self, steps: Sequence[Step], seed: int, name: str) -> None:
        self.steps, self._name = steps, name
        self._at_s, self._raws = timed_events(steps, seed)
        self._next, self._end_s = 0, 0.0
        self._began_s: float | None = None

    def of(self, step: Step) -> Iterator[list[dict[str, Any]]]:
        """Until the step's time is over."""
        if self._began_s is None:
            self._began_s = time.perf_counter()
        self._end_s += step.seconds
        while (passed_s := time.perf_counter() - self._began_s) < self._end_s:
            due = min(int(np.searchsorted(self._at_s, passed_s)), self._next + MAX_ROUND_EVENTS)
            if due == self._next:
                time.sleep(ROUND_S)
                continue
            raws, self._next = self._raws[self._next : due], due
            yield [live_event(raw, self._name) for raw in raws]


def _by_site(settings: Settings, rounds: _Rounds) -> list[Sent]:
    clock, found = SystemClock(), list[Sent]()
    with EventProducer(settings=settings) as producer:
        for step in rounds.steps:
            began_ms, num_sent, num_dropped = clock.now_ms(), 0, 0
            for events in rounds.of(step):
                num_dropped += [producer.send(event) for event in events].count(False)
                num_sent += len(events)
            found.append(Sent(began_ms, clock.now_ms(), num_sent, num_dropped))
        producer.flush(60.0)
    return found


async def _by_bulk(settings: Settings, rounds: _Rounds) -> list[Sent]:
    clock, found, topic = SystemClock(), list[Sent](), f"{settings.topic_prefix}events"
    async with BulkSender(settings) as sender:
        for step in rounds.steps:
            began_ms, num_sent = clock.now_ms(), 0
            for events in rounds.of(step):
                now_ms = clock.now_ms()
                await sender.send(
                    BulkRecord(topic, event["user_id"], orjson.dumps({**event, "occurred_at_ms": now_ms}))
                    for event in events
                )
                num_sent += len(events)
                await asyncio.sleep(0)
            found.append(Sent(began_ms, clock.now_ms(), num_sent, 0))
        await sender.flush()
    return found


def _slate_starts_s(steps: Sequence[Step]) -> list[float]:
    found, began_s = list[float](), 0.0
    for step in steps:
        per_s = step.events_per_s / len(OF_SLATE)
        found += [began_s + number / per_s for number in range(int(per_s * step.seconds))]
        began_s += step.seconds
    return found
