"""Counts of a chunk as metrics."""

from streams.events.schema import EVENT_TYPES
from streams.observability.metrics import WorkerMetrics
from streams.worker.outputs import Outputs

__all__ = ["observe"]

# Counts that say what was given up, by the rule that said so.
SHED_RULES = ("slate_closed_early", "slate_full")


def observe(metrics: WorkerMetrics, outputs: Outputs) -> None:
    """Add what a chunk counted to the worker's metrics."""
    counts = outputs.counts
    single = {
        "duplicate": metrics.duplicates,
        "late": metrics.late,
        "clamped": metrics.clamped,
        "of_forgotten": metrics.of_forgotten,
        "shown": metrics.shown,
    }
    labelled = {
        **{kind: metrics.events.labels(kind) for kind in EVENT_TYPES if counts[kind]},
        **{rule: metrics.sheds.labels(rule) for rule in SHED_RULES if counts[rule]},
        "action_without_slate": metrics.unknown_slates.labels("any"),
    }
    for name, metric in {**single, **labelled}.items():
        metric.inc(counts[name])
    for name, number in counts.items():
        kind, _, task = name.partition("_")
        if kind in {"labels", "corrected"}:
            metrics.labels.labels(task).inc(number)
    for _, refusal in outputs.rejected:
        metrics.rejects.labels(refusal.reason).inc()
    metrics.dead_letters.inc(len(outputs.rejected))
    metrics.forwarded.inc(len(outputs.misplaced))
