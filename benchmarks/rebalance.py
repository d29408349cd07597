"""How long lists stop coming when workers join, stop and die: real processes, a real Kafka, N users in the state.

`python -m benchmarks.rebalance --users 1000000 --json FILE`. Pauses are the longest time between two answers of any
partition (benchmarks/served_gaps.py). Two workers stand for two hosts, each with its own disk, unless said otherwise:

* `restart_s`: the one worker is killed and started again in place by its supervisor, with its disk;
* `empty_disk_s`: the same with its disk gone: all state comes from the changelog;
* `join_s`: a second worker joins, with an empty disk; `rejoin_s`: the same when it was there before;
* `planned_stop_s`: SIGTERM of the second, whose partitions go back to the first;
* `crash_s`: kill -9 of the second: the first takes over after the session timeout.
"""

import argparse
import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import orjson

from benchmarks.machine import machine
from benchmarks.served_gaps import ServedGaps
from streams.clock import SystemClock
from streams.kafka.admin import create_topics
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.kafka.local_broker import LocalBroker
from streams.observability.status_reader import is_healthy
from streams.observability.web import read_run_file, run_file_path
from streams.replay.waiting import wait_until_consumed
from streams.settings import Settings, WorkerSettings

__all__ = ["main"]

NUM_ITEMS = 5_000
ROUND_EVENTS = 5_000
WITHIN_S = 300.0
POLL_S = 0.05
Figures = dict[str, float]


class Host:
    """A worker process with a disk of its own, on one machine that stands for several."""

    def __init__(self, settings: Settings, name: str, *, is_static: bool = False) -> None:
        worker = WorkerSettings(instance_id=name if is_static else "")
        folder = settings.data_dir / name
        self.settings = settings.model_copy(update={"data_dir": folder, "worker": worker})
        self._name = name if is_static else "worker"

    def start(self) -> None:
        """Start its worker, as its supervisor would."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.settings.data_dir / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "streams.cli", "worker"]
            self.process = subprocess.Popen(command, env=self.settings.child_env(), stdout=log, stderr=log)

    async def ready(self) -> None:
        """Wait until it says that it is."""
        while True:
            found = read_run_file(run_file_path(self.settings.data_dir, self._name))
            if found is not None and found.pid == self.process.pid and await asyncio.to_thread(is_healthy, found.url):
                return
            assert self.process.poll() is None, (self.settings.data_dir / "worker.log").read_text()[-2000:]
            await asyncio.sleep(POLL_S)

    def end(self, number: signal.Signals) -> None:
        """Send a signal that ends it, and wait for that."""
        self.process.send_signal(number)
        self.process.wait()


async def feed(settings: Settings, num_users: int) -> float:
    """One view by each user; returns how long the worker took to make it state."""
    clock = SystemClock()
    began_s, now_ms = clock.monotonic_s(), clock.now_ms()
    topic = f"{settings.topic_prefix}events"
    async with BulkSender(settings) as sink:
        for first in range(0, num_users, ROUND_EVENTS):
            users = range(first, min(first + ROUND_EVENTS, num_users))
            await sink.send([BulkRecord(topic, f"u{n}", _view(n, now_ms)) for n in users])
        await sink.flush()
    await wait_until_consumed(settings, clock, lambda _frac, _words: None, WITHIN_S)
    return clock.monotonic_s() - began_s


def _view(number: int, now_ms: int) -> bytes:
    return orjson.dumps(
        {
            "type": "view", "event_id": f"v{number}", "user_id": f"u{number}", "occurred_at_ms": now_ms,
            "item_id": f"i{number % NUM_ITEMS}",
        }
    )  # fmt: skip


async def measure(settings: Settings, num_users: int, say: Callable[[str], None]) -> Figures:
    """All cases, one after the other."""
    clock, figures = SystemClock(), Figures()
    one, two = Host(settings, "host-1", is_static=True), Host(settings, "host-2")
    one.start()
    await one.ready()
    figures["feed_s"] = await feed(settings, num_users)
    say(f"{num_users} users in the state after {figures['feed_s']:.1f} s")
    gaps = ServedGaps(settings)
    await gaps.start()

    async def pause(name: str, *steps: Callable[[], object]) -> None:
        began_s = clock.monotonic_s()
        for step in steps:
            await asyncio.to_thread(step)
        figures[name] = await gaps.longest_since(began_s, WITHIN_S)
        say(f"{name} {figures[name]:.2f}")

    try:
        await pause("undisturbed_s")
        await pause("restart_s", lambda: one.end(signal.SIGKILL), one.start)
        state = one.settings.data_dir / "state"
        await pause("empty_disk_s", lambda: one.end(signal.SIGKILL), lambda: shutil.rmtree(state), one.start)
        await pause("join_s", two.start, lambda: asyncio.run(two.ready()))
        await pause("planned_stop_s", lambda: two.end(signal.SIGTERM))
        await pause("rejoin_s", two.start, lambda: asyncio.run(two.ready()))
        await pause("crash_s", lambda: two.end(signal.SIGKILL))
    finally:
        await gaps.stop()
        for host in (one, two):
            host.process.kill()
    figures["restore_s_per_million_users"] = (figures["empty_disk_s"] - figures["restart_s"]) * 1e6 / num_users
    return figures


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="file to write the result to")
    arguments = parser.parse_args()
    ran_on = machine()
    with tempfile.TemporaryDirectory(prefix="freshrank-rebalance-") as text:
        folder = Path(text)
        with LocalBroker(folder / "kafka", cache_dir=Settings().cache_dir) as broker:
            settings = Settings(bootstrap_servers=broker.bootstrap_servers, data_dir=folder / "hosts")
            create_topics(settings)
            own = asyncio.run(measure(settings, arguments.users, lambda words: print(words, file=sys.stderr)))
    result = {
        "machine": ran_on,
        "versions": {name: version(name) for name in ("faust-streaming", "aiokafka", "rocksdict")},
        "num_users": arguments.users,
        "own": {name: round(value, 3) for name, value in own.items()},
        "peers": {},
        "ratios": {},
    }
    report = json.dumps(result, indent=2)
    if arguments.json:
        arguments.json.write_text(report + "\n")
    print(report)


if __name__ == "__main__":
    main()
