"""Metrics: the names that dashboards rely on, and lag that does not outlive a moved partition."""

import subprocess
import sys
from pathlib import Path

from prometheus_client import generate_latest

from streams.observability.metrics import TrainerMetrics, WorkerMetrics


def _lines(registry: object) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]  # type: ignore[arg-type]


def test_counts_carry_our_namespace_and_their_labels() -> None:
    metrics = WorkerMetrics()
    metrics.events.labels("click").inc(3)
    metrics.rejects.labels("not_json").inc()
    metrics.event_to_ranking_s.labels("request").observe(0.004)

    lines = _lines(metrics.registry)
    assert 'freshrank_events_total{type="click"} 3.0' in lines
    assert 'freshrank_rejects_total{reason="not_json"} 1.0' in lines
    assert 'freshrank_event_to_ranking_seconds_bucket{cause="request",le="0.005"} 1.0' in lines


def test_lag_has_the_exporters_names_and_never_falls_below_zero() -> None:
    metrics = TrainerMetrics()
    metrics.consumer.record("g", "t", 0, committed=7, end=10)
    metrics.consumer.record("g", "t", 1, committed=11, end=10)

    lines = _lines(metrics.registry)
    assert 'kafka_consumergroup_lag{consumergroup="g",partition="0",topic="t"} 3.0' in lines
    assert 'kafka_consumergroup_lag{consumergroup="g",partition="1",topic="t"} 0.0' in lines
    assert 'kafka_consumergroup_current_offset{consumergroup="g",partition="0",topic="t"} 7.0' in lines
    assert 'kafka_topic_partition_current_offset{partition="0",topic="t"} 10.0' in lines


def test_a_partition_that_moved_away_leaves_no_lag_behind() -> None:
    metrics = WorkerMetrics()
    metrics.consumer.record("g", "t", 0, committed=7, end=10)
    metrics.consumer.forget("g", "t", 0)
    metrics.consumer.forget("g", "t", 5)

    assert not any(line.startswith("kafka_consumergroup") for line in _lines(metrics.registry))


def test_two_roles_in_one_process_count_apart() -> None:
    first, second = WorkerMetrics(), WorkerMetrics()
    first.duplicates.inc()

    assert "freshrank_duplicates_total 1.0" in _lines(first.registry)
    assert "freshrank_duplicates_total 0.0" in _lines(second.registry)


def test_values_stay_in_memory_although_feast_was_imported_first() -> None:
    """Feast turns on prometheus_client's multi-process mode: each value would be a place in a mapped file."""
    program = (
        "import feast; from streams.observability.metrics import WorkerMetrics; "
        "print(type(WorkerMetrics().duplicates._value).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )

    assert done.stdout == "MutexValue\n"
