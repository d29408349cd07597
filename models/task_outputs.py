"""A task's outputs: where they are among the ranker's weights, and what those of dwell say of visits."""

from collections.abc import Mapping

from torch import Tensor

from models.ordinal import VisitOutlook, survival
from models.ranker import Ranker

__all__ = ["head_bias_name", "output_rows", "visits"]


def head_bias_name(ranker: Ranker, task: str) -> str:
    """Name of the parameter float[K] that shifts all logits of a task. Raises ValueError when there is no such task."""
    return f"heads.{_place(ranker, task)}.bias"


def output_rows(ranker: Ranker, task: str) -> dict[str, slice]:
    """Names of the parameters whose rows are a task's K outputs, and which rows."""
    t = _place(ranker, task)
    start = sum(ranker.experts.splits) + sum(ranker.num_outputs[:t])
    linear = slice(start, start + ranker.num_outputs[t])
    head = slice(0, ranker.num_outputs[t])
    return {f"heads.{t}.weight": head, f"heads.{t}.bias": head, "first.weight_OF": linear, "first.bias_O": linear}


def visits(ranker: Ranker, logits: Mapping[str, Tensor], task: str, long_s: float = 30.0) -> VisitOutlook:
    """What visits of an ordinal task would be like. Raises KeyError for any other task."""
    scale, survival_NK = ranker.scale(task), survival(logits[task])
    return VisitOutlook(
        long_N=scale.longer_than(survival_NK, long_s),
        seconds_N=scale.expected_s(survival_NK),
        log_seconds_N=scale.expected_log_s(survival_NK),
    )


def _place(ranker: Ranker, task: str) -> int:
    return [one.name for one in ranker.tasks].index(task)
