"""A round that ended, told: to Prometheus, to the log and to `/status`."""

from typing import Any

import structlog

from streams.observability.metrics import TrainerMetrics
from streams.training.learner import RoundReport
from streams.training.round_journal import decision_of

__all__ = ["tell_round"]

log = structlog.get_logger(__name__)
GAUGES = ("normalised_entropy", "pcoc", "auc")


def tell_round(metrics: TrainerMetrics, report: RoundReport, published: int | None, seconds: float) -> dict[str, Any]:
    """Set metrics, write one log line, and return what `/status` says of the round."""
    decision = decision_of(report, published)
    metrics.rounds.labels(decision).inc()
    metrics.round_s.observe(seconds)
    metrics.non_finite.inc(report.num_steps_skipped)
    metrics.slates_capped.inc(report.num_capped)
    metrics.slates_skipped.inc(report.num_skipped)
    metrics.rollbacks.inc(report.live.restored)
    for task, found in report.progressive.items():
        for name in GAUGES:
            if name in found:
                getattr(metrics, name).labels(task).set(found[name])
    for task, loss in report.losses.items():
        metrics.loss.labels(task).set(loss)
    if published is not None:
        metrics.published_version.set(published)
    log.info(
        "round_ended",
        decision=decision,
        model_version=published,
        num_slates=report.num_slates,
        num_judged=report.num_judged,
        num_capped=report.num_capped,
        seconds=round(seconds, 3),
        reason=report.gate.reason,
        task_weights=report.task_weights,
        progressive=report.progressive,
    )
    return {**report.as_json(), "decision": decision, "version": published, "seconds": seconds}
