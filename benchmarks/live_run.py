"""A whole freshrank to measure: broker, worker and trainer as `freshrank up` starts them, warmed up.

Warmed up means: the catalogue is applied, the users have a history (events of ten minutes ago, consumed, click windows
closed), the trainer has learned what it will from that, and a model serves if the gate let one out.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import orjson
from aiokafka.structs import ConsumerRecord

from benchmarks.ingest import fill
from streams.clock import Clock, SystemClock
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.kafka.tail import TopicTail
from streams.observability.status_reader import read_samples, read_status
from streams.observability.web import read_run_file, run_file_path
from streams.replay.waiting import wait_until_consumed
from streams.settings import Settings
from streams.supervisor.deployment import Plan, running
from streams.topics import topic_specs
from streams.training.schedule import MIN_SLATES

__all__ = ["LiveRun", "Record", "data_settings", "live_run", "read_all", "tell"]

Record: TypeAlias = ConsumerRecord[bytes, bytes]
WATERMARK_AGE_MS = 120_000
STALL_S, MODEL_WITHIN_S, POLL_S = 180.0, 60.0, 0.5
_WORKER = "worker-0"


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A running deployment. `settings` name its broker and folder."""

    settings: Settings
    clock: Clock

    def pid(self, role: str) -> int:
        """Of the process `worker-0` or `trainer`."""
        found = read_run_file(run_file_path(self.settings.data_dir, role))
        if found is None:
            raise RuntimeError(f"{role} is not there; its log is in {self.settings.data_dir / 'logs'}")
        return found.pid

    def counts(self, role: str = _WORKER) -> dict[str, float]:
        """Metrics of a role by name and labels, as `sheds_total{rule=coalesced}`; none while it does not answer."""
        samples = read_samples(self._url(role))
        return {_name(sample.name, sample.labels): sample.value for sample in samples}

    def status(self, role: str = _WORKER) -> dict[str, object]:
        """What a role says of itself; nothing while it does not answer."""
        return read_status(self._url(role)) or {}

    async def consumed(self, stall_s: float = STALL_S) -> None:
        """Wait until worker and trainer have consumed everything. Raises StalledError."""
        await wait_until_consumed(self.settings, self.clock, lambda _frac, _words: None, stall_s)

    async def has_model(self, within_s: float) -> bool:
        """Wait until a model serves and the trainer rests; False when that does not come in time."""
        began_s = self.clock.monotonic_s()
        while self.clock.monotonic_s() - began_s < within_s:
            trainer = self.status("trainer")
            waiting = trainer.get("slates_waiting", MIN_SLATES)
            is_resting = not trainer.get("round_running", True) and isinstance(waiting, int) and waiting < MIN_SLATES
            if is_resting and self.status().get("model_version"):
                return True
            await asyncio.sleep(POLL_S)
        return False

    def _url(self, role: str) -> str:
        found = read_run_file(run_file_path(self.settings.data_dir, role))
        return found.url if found is not None else ""


@contextmanager
def live_run(settings: Settings, warm_events: int, say: Callable[[str], None]) -> Iterator[LiveRun]:
    """Start it in `settings.data_dir`, warm it up, stop it at the end. Raises FreshrankError when it cannot start."""
    clock = SystemClock()
    with running(Plan(settings), say) as deployment:
        run = LiveRun(deployment.settings, clock)
        asyncio.run(_warm_up(run, warm_events, say))
        yield run


async def _warm_up(run: LiveRun, num_events: int, say: Callable[[str], None]) -> None:
    say(f"filling in {num_events:,} events")
    await fill(run.settings, num_events)
    await run.consumed()
    say("closing their windows")
    at_ms = run.clock.now_ms() - WATERMARK_AGE_MS
    mark = {"type": "watermark", "event_id": f"watermark:{at_ms}", "user_id": "", "occurred_at_ms": at_ms}
    topic = topic_specs(run.settings)["events"]
    async with BulkSender(run.settings) as sender:
        value = orjson.dumps(mark)
        await sender.send(BulkRecord(topic.name, None, value, number) for number in range(topic.num_partitions))
        await sender.flush()
    await run.consumed()
    has_model = await run.has_model(MODEL_WITHIN_S if num_events else 0.0)
    say(f"warmed up with {num_events:,} events; " + ("a model serves" if has_model else "no model serves yet"))


async def read_all(settings: Settings, short: str, take: Callable[[Record], object]) -> None:
    """Give every record that a topic holds now to `take`, in the order of each partition."""

    def on_records(_: int, records: object) -> None:
        assert isinstance(records, list)
        for record in records:
            take(record)

    tail = TopicTail(settings, topic_specs(settings)[short].name, on_records)
    await tail.start()
    await tail.stop()


def data_settings(folder: Path) -> Settings:
    """The settings of the environment, in a folder of their own."""
    return Settings().model_copy(update={"data_dir": folder})


def tell(words: str) -> None:
    """Progress for a person: standard output is for figures."""
    print(words, file=sys.stderr, flush=True)


def _name(name: str, labels: dict[str, str]) -> str:
    inside = ",".join(f"{label}={value}" for label, value in sorted(labels.items()))
    return f"{name.removeprefix('freshrank_')}{{{inside}}}" if inside else name.removeprefix("freshrank_")
