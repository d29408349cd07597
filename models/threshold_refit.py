"""Moves dwell thresholds to where dwell is now, without losing what the heads have learned.

A head's logits over thresholds are a curve over log time. The curve is read off at the new thresholds by linear
interpolation, weight by weight, and its level follows the share of recent visits that pass them. Beyond the old
thresholds nothing was learned about the level: there it starts from that share, like a head at its first labels; and
from nothing else where the nearest old threshold told no visits apart, as nearly all pass it, or nearly none.
"""

import torch
from torch import Tensor

from models.base_rates import BaseRates
from models.ema import WeightAverage
from models.ordinal import fit_thresholds
from models.ranker import Ranker
from models.task_outputs import head_bias_name, output_rows

__all__ = ["interpolation", "refit_thresholds"]

MIN_DWELLS = 64
# The share of visits past a threshold may leave its intended share by this much before it is moved.
MAX_SHARE_ERROR = 0.05


def interpolation(old_s_K: Tensor, new_s_K: Tensor) -> Tensor:
    """float[K, K]: rows of weights over old thresholds for each new one, linear in log1p time, flat outside."""
    old, new = old_s_K.double().log1p(), new_s_K.double().log1p()
    right = torch.bucketize(new, old).clamp(1, len(old) - 1)
    share = ((new - old[right - 1]) / (old[right] - old[right - 1])).clamp(0, 1)
    matrix = torch.zeros(len(new), len(old), dtype=torch.float64, device=old.device)
    rows = torch.arange(len(new), device=old.device)
    matrix[rows, right - 1] = 1 - share
    matrix[rows, right] += share
    return matrix.float()


@torch.no_grad()
def refit_thresholds(
    ranker: Ranker,
    average: WeightAverage,
    rates: BaseRates,
    task: str,
    recent_dwell_s: Tensor,
) -> bool:
    """Refits one ordinal task's thresholds; True if moved, False when dwells are too few or thresholds near enough."""
    scale = ranker.scale(task)
    num_thresholds = len(scale.threshold_s_K)
    if len(recent_dwell_s) < MIN_DWELLS:
        return False
    intended_K = 1 - torch.arange(1, num_thresholds + 1, device=recent_dwell_s.device) / (num_thresholds + 1)
    passed_K = (recent_dwell_s.unsqueeze(1) > scale.threshold_s_K).float().mean(0)
    if float((passed_K - intended_K).abs().max()) <= MAX_SHARE_ERROR:
        scale.set_thresholds(scale.threshold_s_K.clone(), recent_dwell_s)
        return False
    old_s_K, new_s_K = scale.threshold_s_K.clone(), fit_thresholds(recent_dwell_s, num_thresholds).float()
    matrix_KK = _carried(old_s_K, new_s_K, passed_K)
    old_start_K = rates.start()
    scale.set_thresholds(new_s_K, recent_dwell_s)
    passed_K = (recent_dwell_s.unsqueeze(1) > scale.threshold_s_K).double().mean(0)
    rates.rows_K.fill_(len(recent_dwell_s))
    rates.positives_K.copy_(passed_K * len(recent_dwell_s))
    _carry_over(ranker, average, task, matrix_KK)
    is_beyond_K = (new_s_K < old_s_K[0]) | (new_s_K > old_s_K[-1])
    level_K = torch.where(is_beyond_K, ranker.get_parameter(head_bias_name(ranker, task)), matrix_KK @ old_start_K)
    _shift_bias(ranker, average, task, rates.start() - level_K)
    return True


def _carried(old_s_K: Tensor, new_s_K: Tensor, passed_K: Tensor) -> Tensor:
    """The interpolation, less what an outermost old threshold says that told no visits apart."""
    matrix_KK = interpolation(old_s_K, new_s_K)
    for is_beyond_K, passed in ((new_s_K < old_s_K[0], passed_K[0]), (new_s_K > old_s_K[-1], passed_K[-1])):
        if not MAX_SHARE_ERROR <= float(passed) <= 1 - MAX_SHARE_ERROR:
            matrix_KK[is_beyond_K] = 0
    return matrix_KK


def _carry_over(ranker: Ranker, average: WeightAverage, task: str, matrix_KK: Tensor) -> None:
    weights = dict(ranker.named_parameters())
    for name, rows in output_rows(ranker, task).items():
        for tensor in (weights[name], average.sums[name]):
            tensor[rows] = torch.tensordot(matrix_KK, tensor[rows].clone(), dims=1)


def _shift_bias(ranker: Ranker, average: WeightAverage, task: str, change_K: Tensor) -> None:
    name = head_bias_name(ranker, task)
    ranker.get_parameter(name).add_(change_K)
    average.shift(name, change_K)
