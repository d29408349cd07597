"""What a large site would need, on paper: measured unit costs times numbers that are stated. No measurement of its own.

The numbers are a million events a second of the benchmark's mix (one event in ten shows 20 items; three in ten are
actions after which the user's list is refreshed), a hundred million users, ten million items.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.ingest_log import MIX, SLATE_ITEMS
from benchmarks.waits import rounded
from streams.worker.handlers import TRIGGERS

__all__ = ["UnitCosts", "paper_model"]

EVENTS_PER_S, NUM_USERS, NUM_ITEMS = 1e6, 1e8, 1e7
# A core is planned to be busy for so much of the time; partitions per worker, so that work can move in small pieces.
BUSY_FRAC, PARTITIONS_PER_WORKER = 0.6, 3
REPLICATION, KEPT_DAYS, DAY_S = 3, 7, 86_400
TRIGGERS_FRAC = sum(share for kind, share in MIX.items() if kind in TRIGGERS)


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """Measured: processor time, bytes in the topics' logs per event, bytes of a row in Redis. None: not measured."""

    worker_cpu_us_per_event: float
    broker_cpu_us_per_event: float
    list_cpu_ms: float | None
    wire_bytes_per_event: Mapping[str, float]
    redis_bytes_per_row: float | None

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


def paper_model(costs: UnitCosts) -> dict[str, Any]:
    """Each quantity with how it was computed."""
    event_cores = EVENTS_PER_S * costs.worker_cpu_us_per_event / 1e6
    lists_per_s = EVENTS_PER_S * TRIGGERS_FRAC
    list_cores = None if costs.list_cpu_ms is None else lists_per_s * costs.list_cpu_ms / 1000
    workers = math.ceil(round((event_cores + (list_cores or 0.0)) / BUSY_FRAC, 6))
    wire = {topic: EVENTS_PER_S * num / 1e6 for topic, num in costs.wire_bytes_per_event.items()}
    slates_per_s = EVENTS_PER_S * MIX["impression"]
    rows = costs.redis_bytes_per_row
    return {
        "for": {"events_per_s": EVENTS_PER_S, "users": NUM_USERS, "items": NUM_ITEMS},
        "cores for events": _row(event_cores, "events/s x worker CPU per event"),
        "cores for lists": _row(list_cores, f"{TRIGGERS_FRAC:.0%} of events/s x worker CPU per own list; none shed"),
        "workers": _row(workers, f"one core each, {BUSY_FRAC:.0%} busy" + ("" if list_cores else "; lists left out")),
        "partitions": _row(PARTITIONS_PER_WORKER * workers, f"{PARTITIONS_PER_WORKER} for each worker"),
        "broker cores": _row(
            REPLICATION * EVENTS_PER_S * costs.broker_cpu_us_per_event / 1e6 / BUSY_FRAC,
            f"events/s x broker CPU per event x {REPLICATION} copies, {BUSY_FRAC:.0%} busy",
        ),
        "MB per s by topic": {topic: rounded(num) for topic, num in wire.items()},
        "Kafka on disk, TB": _row(
            REPLICATION * KEPT_DAYS * DAY_S * (wire["events"] + wire["training-examples"]) / 1e6,
            f"events and examples, {KEPT_DAYS} days, {REPLICATION} copies; compacted topics are small beside them",
        ),
        "Redis, GB": _row(
            None if rows is None else (NUM_USERS + NUM_ITEMS) * rows / 1e9,
            "a row per user and item x bytes of a user's row, without replicas",
        ),
        "training rows per s": _row(SLATE_ITEMS * slates_per_s, f"{SLATE_ITEMS} items x impressions/s"),
        "training rows per day": _row(SLATE_ITEMS * slates_per_s * DAY_S, "one trainer learns a sample of them"),
    }


def _row(value: float | None, how: str) -> dict[str, Any]:
    return {"value": None if value is None else rounded(value), "how": how}
