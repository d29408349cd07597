"""Predictions of many rows on a CPU, from the outputs of the heads: what `as_predictions` gives, compiled.

The same numbers, to rounding (tested): products down the chain, calibration by kind, expected log seconds, tasks over
given rows times the prediction of what they are given. Rows run along the last dimension.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from models.ordinal import LOGITS_PER_OUTPUT
from models.vector_math import FAST, exp32, sigmoid32

if TYPE_CHECKING:
    from models.ranker import Ranker

__all__ = ["PredictionPlan", "predict_rows"]

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
NONE = -1
CHANCE, ORDINAL, SECONDS = 0, 1, 2
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@dataclass(frozen=True, slots=True)
class PredictionPlan:
    """What becomes of the outputs of T tasks. `first_T`: place of a task's first output.

    `form_T`: CHANCE, ORDINAL or SECONDS. `product_T`: of whose logit with its own the logit is; `factor_T`: whose
    prediction its own is multiplied by; NONE where there is none. `platt_TK2`: scale and shift by kind. `mean_log_TL`:
    of the intervals of ordinal tasks.
    """

    names: tuple[str, ...]
    first_T: Int64
    form_T: Int64
    product_T: Int64
    factor_T: Int64
    platt_TK2: Float32
    mean_log_TL: list[Float32]

    @classmethod
    def of(cls, ranker: "Ranker") -> "PredictionPlan":
        """As the ranker is calibrated now."""
        tasks = ranker.tasks
        place = {task.name: t for t, task in enumerate(tasks)}
        given_T = [NONE if task.given is None else place[task.given] for task in tasks]
        nothing = np.zeros(0, np.float32)
        return cls(
            names=tuple(place),
            first_T=np.cumsum([0, *ranker.num_outputs[:-1]]),
            form_T=np.array([ORDINAL if t.loss == "ordinal" else SECONDS if t.is_seconds else CHANCE for t in tasks]),
            product_T=np.array(
                [given if task.is_product else NONE for task, given in zip(tasks, given_T, strict=True)]
            ),
            factor_T=np.array([g if task.rows == "given" else NONE for task, g in zip(tasks, given_T, strict=True)]),
            platt_TK2=ranker.platt_TK2.float().numpy(),
            mean_log_TL=[
                ranker.scale(task.name).mean_log_K1.numpy() if task.loss == "ordinal" else nothing for task in tasks
            ],
        )


def predict_rows(plan: PredictionPlan, output_KN: Tensor, kind_N: Tensor) -> dict[str, Tensor]:
    """float32[N] per task, as `as_predictions` gives it. `output_KN`: as score_rows gives it, overwritten."""
    output, kind = output_KN.numpy(), kind_N.numpy()
    # Compiled functions write to arrays that they are given: one that returns an array unpickles its class.
    found = list(np.empty((len(plan.names), output.shape[1]), np.float32))
    for t, first in enumerate(plan.first_T.tolist()):
        own_N, given, predicted_N = output[first], int(plan.product_T[t]), found[t]
        if given != NONE:
            _multiply_logit(own_N, output[plan.first_T[given]])
        if plan.form_T[t] == ORDINAL:
            means_L = plan.mean_log_TL[t]
            _expect(output[first : first + len(means_L) - 1], np.float32(LOGITS_PER_OUTPUT), means_L, predicted_N)
        elif plan.form_T[t] == SECONDS:
            np.maximum(own_N, _ZERO, out=predicted_N)
        else:
            _calibrate(own_N, kind, plan.platt_TK2[t], predicted_N)
        if plan.factor_T[t] != NONE:
            predicted_N *= found[plan.factor_T[t]]
    return dict(zip(plan.names, map(torch.from_numpy, found), strict=True))


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _multiply_logit(own_N: Float32, given_N: Float32) -> None:
    """The logit of the product, in place: see `product_logit`."""
    highest_N = np.empty_like(own_N)
    for n in range(len(own_N)):
        highest_N[n] = max(-own_N[n], -given_N[n], -(own_N[n] + given_N[n]))
    for n in range(len(own_N)):
        both = exp32(-(own_N[n] + given_N[n]) - highest_N[n])
        own_N[n] = exp32(-own_N[n] - highest_N[n]) + exp32(-given_N[n] - highest_N[n]) + both
    for n in range(len(own_N)):
        own_N[n] = -(highest_N[n] + np.float32(math.log(own_N[n])))


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _expect(output_KN: Float32, logits_per_output: np.float32, mean_L: Float32, found_N: Float32) -> None:
    """The mean over intervals, by the chances of lasting longer, made monotone by the running minimum."""
    longer_N = np.ones(output_KN.shape[1], np.float32)
    found_N[:] = _ZERO
    for k in range(len(output_KN)):
        for n in range(len(longer_N)):
            next_ = min(longer_N[n], sigmoid32(logits_per_output * output_KN[k, n]))
            found_N[n] += (longer_N[n] - next_) * mean_L[k]
            longer_N[n] = next_
    for n in range(len(longer_N)):
        found_N[n] += longer_N[n] * mean_L[-1]


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _calibrate(logit_N: Float32, kind_N: Int64, platt_K2: Float32, found_N: Float32) -> None:
    for n in range(len(found_N)):
        found_N[n] = platt_K2[kind_N[n], 0] * logit_N[n] + platt_K2[kind_N[n], 1]
    for n in range(len(found_N)):
        found_N[n] = sigmoid32(found_N[n])
