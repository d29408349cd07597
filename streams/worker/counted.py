"""Counts of a chunk as metrics."""

from streams.events.schema import EVENT_TYPES
from streams.observability.metrics import WorkerMetrics
from streams.worker.outputs import Outputs

__all__ = ["observe"]


def observe(metrics: WorkerMetrics, outputs: Outputs) -> None:
    """Add what a chunk counted to the worker's metrics."""
    counts = outputs.counts
    for kind in EVENT_TYPES:
        if counts[kind]:
            metrics.events.labels(kind).inc(counts[kind])
    single = {
        "duplicate": metrics.duplicates,
        "late": metrics.late,
        "clamped": metrics.clamped,
        "shown": metrics.shown,
    }
    for name, metric in single.items():
        if counts[name]:
            metric.inc(counts[name])
    for name, number in counts.items():
        kind, _, task = name.partition("_")
        if kind in {"labels", "corrected"}:
            metrics.labels.labels(task).inc(number)
    for _, refusal in outputs.rejected:
        metrics.rejects.labels(refusal.reason).inc()
    metrics.dead_letters.inc(len(outputs.rejected))
    metrics.forwarded.inc(len(outputs.misplaced))
    for rule in ("slate_closed_early", "slate_full"):
        if counts[rule]:
            metrics.sheds.labels(rule).inc(counts[rule])
    if counts["action_without_slate"]:
        metrics.unknown_slates.labels("any").inc(counts["action_without_slate"])
