"""A role's own lag as metrics, from what its consumer knows: no question to Kafka, so it may be asked every second."""

from collections.abc import Iterable

from streams.kafka.partition_lag import PartitionLag
from streams.observability.metrics import LagMetrics

__all__ = ["observe_lags"]


def observe_lags(
    metrics: LagMetrics, group: str, lags: Iterable[PartitionLag], now_ms: int, before: set[tuple[str, int]]
) -> set[tuple[str, int]]:
    """Set the gauges of all partitions, drop those of partitions that left since `before`; returns the present ones."""
    present: set[tuple[str, int]] = set()
    for lag in lags:
        present.add((lag.topic, lag.partition))
        metrics.record(group, lag.topic, lag.partition, committed=lag.committed, end=lag.end)
        age_ms = now_ms - lag.waiting_since_ms if lag.waiting_since_ms is not None else 0
        metrics.lag_s.labels(group, lag.topic, str(lag.partition)).set(max(age_ms, 0) / 1000)
    for topic, partition in before - present:
        metrics.forget(group, topic, partition)
    return present
