"""Memory of one worker at 128 k and 256 k users, beside what Metarank publishes; and a soak at a steady load.

Every user gets a slate of the ingest benchmark's mix: an impression of 20 items, clicks, dwells, a cart and views.
Memory is looked at when everything is consumed and has rested. `python -m benchmarks.memory --json FILE`; minutes.

`python -m benchmarks.memory --soak-minutes 60 --rate 500 --json FILE`: broker, worker and trainer as `freshrank up`
starts them, for so long at that rate; memory, open files, disk and lag over time, and whether they grow.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from benchmarks.ingest_log import OF_SLATE, catalogue_records, event_records
from benchmarks.live_run import tell
from benchmarks.machine import machine
from benchmarks.process_cost import folder_bytes, peak_rss_bytes, rss_bytes
from benchmarks.soak import soak
from benchmarks.waits import rounded
from benchmarks.worker_fleet import WorkerFleet
from streams.kafka.admin import create_topics
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.kafka.group_offsets import GroupOffsets
from streams.kafka.local_broker import LocalBroker
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["main"]

NUM_USERS, ROUND_RECORDS, REST_S, SEED = (128_000, 256_000), 20_000, 5.0, 0
# github.com/metarank/metarank, doc/performance.md; and 0.7.11 as this project measured it on a 2-core machine.
METARANK = {
    "rss_mb at 128 k users (published)": 386.0,
    "gib per further million users (published)": 0.8,
    "rss_mb at start / after feedback (measured, memory state)": [1500.0, 2200.0],
}
GIB = 1 << 30
Figures = dict[str, Any]


def user_events(num_users: int) -> Iterator[BulkRecord]:
    """The mix, but each slate is of a user of its own."""
    for record in event_records("", num_users * len(OF_SLATE), SEED, int(time.time() * 1000) - num_users * 5 - 600_000):
        event = orjson.loads(record.value or b"")
        event["user_id"] = f"user-{event['session_id'].removeprefix('session-')}"
        yield BulkRecord("", event["user_id"], orjson.dumps(event))


async def send(settings: Settings, records: Iterator[BulkRecord], topic: str) -> None:
    """Send records to a topic, in rounds."""
    async with BulkSender(settings) as sender:
        while held := [record._replace(topic=topic) for record in islice(records, ROUND_RECORDS)]:
            await sender.send(held)
        await sender.flush()


def look(fleet: WorkerFleet) -> Figures:
    """What the worker holds now."""
    time.sleep(REST_S)
    pid = fleet.pids["worker-0"]
    return {
        "rss_mb": rounded(rss_bytes(pid) / 1e6),
        "peak_rss_mb": rounded(peak_rss_bytes(pid) / 1e6),
        "state_mb": rounded(fleet.metric("freshrank_state_bytes") / 1e6),
        "folder_mb": rounded(folder_bytes(fleet.settings.data_dir) / 1e6),
    }


def measure(settings: Settings, sizes: list[int]) -> Figures:
    """Start, catalogue, then so many users in all."""
    topics, found = topic_specs(settings), Figures()
    with GroupOffsets(settings) as offsets, WorkerFleet(settings, 1) as fleet:
        fleet.wait_ready()
        found["start"] = look(fleet)
        asyncio.run(send(settings, catalogue_records("", SEED), topics["catalogue"].name))
        found["100 k items"] = look(fleet)
        events = user_events(max(sizes))
        sent = 0
        for num_users in sizes:
            step = islice(events, (num_users - sent) * len(OF_SLATE))
            asyncio.run(send(settings, step, topics["events"].name))
            fleet.wait_consumed(offsets)
            sent = num_users
            found[f"{num_users} users"] = look(fleet)
            tell(f"{num_users:,} users: {found[f'{num_users} users']}")
    return found


def report(found: Figures, sizes: list[int]) -> Figures:
    """Slopes per million users, between the last two sizes, beside Metarank's."""
    first, last = (found[f"{num} users"] for num in sizes[-2:])
    per_million = 1e6 / (sizes[-1] - sizes[-2])
    gib = (last["rss_mb"] - first["rss_mb"]) * 1e6 * per_million / GIB
    state_gib = (last["state_mb"] - first["state_mb"]) * 1e6 * per_million / GIB
    theirs = METARANK["gib per further million users (published)"]
    return {
        "own": {
            **found,
            "rss_gib per further million users": rounded(gib),
            "state_gib on disk per further million users": rounded(state_gib),
            "users kept in memory at most": Settings().worker.cached_users,
        },
        "peers": {"Metarank": METARANK},
        "ratios": {
            "our slope of rss / Metarank's published": rounded(gib / theirs) if isinstance(theirs, float) else 0
        },
        "goals": {"our slope of rss / Metarank's published": "at most 1"},
    }


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=NUM_USERS, help="two or more numbers to look at")
    parser.add_argument("--soak-minutes", type=float, default=0.0, help="soak for so long instead")
    parser.add_argument("--rate", type=float, default=500.0, help="events a second of the soak")
    parser.add_argument("--warm-events", type=int, default=60_000, help="history before the soak")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    if len(given.users) < 2 and not given.soak_minutes:
        parser.error("--users: two or more growing numbers are needed, as the slope between the last two is told")
    ran_on = machine()
    with tempfile.TemporaryDirectory(prefix="freshrank-memory-") as folder:
        settings = Settings().model_copy(update={"data_dir": Path(folder, "run")})
        if given.soak_minutes:
            result = soak(settings, given.rate, given.soak_minutes, given.warm_events)
        else:
            with LocalBroker(Path(folder, "kafka"), cache_dir=settings.cache_dir) as broker:
                settings = settings.model_copy(update={"bootstrap_servers": broker.bootstrap_servers})
                create_topics(settings)
                result = report(measure(settings, list(given.users)), list(given.users))
    text = json.dumps({"machine": ran_on, **result}, indent=2)
    if given.json:
        given.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
