"""From logits to what is served: calibrated chances, and for seconds the mean of their logarithm.

Calibration is of the task's own logit: the product's where it is one. Tasks over given rows are multiplied by the
prediction of what they are given.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from models.ordinal import survival

if TYPE_CHECKING:
    from models.ranker import Ranker

__all__ = ["as_predictions"]


def as_predictions(ranker: "Ranker", logits: Mapping[str, Tensor], kind_N: Tensor) -> dict[str, Tensor]:
    """float[N] per task, per shown item: a calibrated probability; for seconds E[log1p dwell_s].

    `logits`: by task, as `Ranker.by_task` gives them. `kind_N` int64: whose calibration, as `Ranker.kinds` gives it.
    """
    outputs: dict[str, Tensor] = {}
    for t, task in enumerate(ranker.tasks):
        logit = logits[task.name]
        if task.loss == "ordinal":
            output_N = ranker.scale(task.name).expected_log_s(survival(logit))
        elif task.is_seconds:
            output_N = logit.clamp(min=0)
        else:
            scale_N, shift_N = ranker.platt_TK2[t, kind_N].unbind(1)
            output_N = (scale_N * logit + shift_N).sigmoid()
        given = task.given if task.rows == "given" else None
        outputs[task.name] = output_N if given is None else output_N * outputs[given]
    return outputs
