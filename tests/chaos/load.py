"""What a site sends meanwhile: seeded visits, some records twice, some out of order, some refused, at a steady rate."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
import orjson

from streams.clock import SystemClock
from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.settings import Settings
from tests.worker.event_log import shop_log

ROUND_S = 0.05
NUM_USERS = 120
EVENTS_PER_SLATE = 6
# No pause of a run may bring an event's time near the present: the straight run comes later.
AGE_MS = 3_600_000
BAD_EVERY = 97
AGAIN_FRAC, LATE_MS, JITTER_MS = 0.05, 20_000, 2_000


@dataclass(slots=True)
class Load:
    """`sent`: events given to Kafka in order, good ones; all are in the log once `run` has returned."""

    settings: Settings
    seed: int
    events_per_s: float
    num_events: int
    sent: list[dict[str, Any]] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop, or everything is sent."""
        log = visits(self.num_events, self.seed)
        clock, topic = SystemClock(), f"{self.settings.topic_prefix}events"
        began_s = clock.monotonic_s()
        async with BulkSender(self.settings) as sink:
            while not stop.is_set() and len(self.sent) < len(log):
                due = min(len(log), int((clock.monotonic_s() - began_s) * self.events_per_s) + 1)
                events = log[len(self.sent) : due]
                await sink.send([BulkRecord(topic, e["user_id"], orjson.dumps(e)) for e in events])
                if any(number % BAD_EVERY == 0 for number in range(len(self.sent), due)):
                    await sink.send([BulkRecord(topic, f"u{len(self.sent) % 7}", b'{"type": "view"}')])
                self.sent += events
                await asyncio.sleep(ROUND_S)
            await sink.flush()


def visits(num_events: int, seed: int) -> Sequence[dict[str, Any]]:
    """The shop's log, ending an hour ago, of users who like some items; a twentieth comes again soon after."""
    rng = np.random.default_rng(seed)
    log_of_shop = shop_log(num_events // EVENTS_PER_SLATE + 1, seed, NUM_USERS)
    once = {event["event_id"]: event for event in log_of_shop if is_liked(event)}
    shift_ms = SystemClock().now_ms() - AGE_MS - max(event["occurred_at_ms"] for event in once.values())
    log = [varied({**event, "occurred_at_ms": event["occurred_at_ms"] + shift_ms}) for event in once.values()]
    again = [
        (event["occurred_at_ms"] + int(rng.integers(0, LATE_MS)), event) for event in log if rng.random() < AGAIN_FRAC
    ]
    first = [(event["occurred_at_ms"] + int(rng.integers(0, JITTER_MS)), event) for event in log]
    return [event for _, event in sorted(first + again, key=lambda pair: pair[0])]


def is_liked(event: dict[str, Any]) -> bool:
    """Every third item is; of the others, a fifth of what was done with them stays. So there is something to learn."""
    item = event.get("item_id")
    visit = f"{event['event_id'].split(':')[0]}:{item}"
    return item is None or int(item[1:]) % 3 == 0 or crc32(visit.encode()) % 5 == 0


def varied(event: dict[str, Any]) -> dict[str, Any]:
    """Dwell of its own for each item."""
    if event["type"] == "dwell":
        event["dwell_s"] *= 0.2 + int(event["item_id"][1:]) % 7
    return event
