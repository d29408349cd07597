"""Losses over the rows of a slate, for all slates of a batch at once and without padding.

Pairs of rows are two index vectors; sums per slate are `index_add`. Every loss is a mean over the slates that can say
something: a slate without a positive (or, for pairs, without a worse row) counts nowhere.
"""

import torch
from torch import Tensor
from torch.nn import functional

from models.loss_kernels import can_compile, pairwise_of_slates
from models.targets import Targets

__all__ = ["approx_ndcg", "lambda_ndcg", "listwise", "pairwise", "slate_pairs"]

# Smoothness of the soft rank; the value of Qin, Liu, Li 2010 (alpha = 10) as allRank uses it.
APPROX_NDCG_TEMPERATURE = 0.1


def slate_pairs(slate_N: Tensor, first_N: Tensor, second_N: Tensor) -> tuple[Tensor, Tensor]:
    """Row numbers (i, j) of all pairs of one slate with `first_N[i]` and `second_N[j]`, i != j."""
    i, j = _pairs(slate_N, first_N, second_N)
    return _where(i != j, i, j)


def pairwise(scores_N: Tensor, targets: Targets) -> Tensor:
    """RankNet (Burges 2005): log(1 + exp(s_worse - s_better)), mean over the pairs of a slate, then over slates."""
    if can_compile(scores_N):
        return pairwise_of_slates(scores_N, targets)
    scores, y = targets.known(scores_N)
    i, j = _better_and_worse(y, targets)
    weight, losses = targets.weight_N.index_select(0, i), _softplus_of_worse(scores, i, j)
    return _mean_over_slates(losses * weight, weight, targets.slate_N.index_select(0, i), targets)


def listwise(scores_N: Tensor, targets: Targets) -> Tensor:
    """ListNet's top-one cross-entropy (Cao 2007): labels over their sum against the softmax of the slate."""
    scores, y = targets.known(scores_N)
    y = y * targets.weight_N
    log_p_N = scores - _log_sum_exp(scores, targets)[targets.slate_N]
    return _mean_over_slates(-y * log_p_N, y, targets.slate_N, targets)


def lambda_ndcg(scores_N: Tensor, targets: Targets) -> Tensor:
    """LambdaLoss with weights |change of NDCG when the two rows swap| (Burges 2010; Wang 2018), summed over pairs."""
    scores, y = targets.known(scores_N)
    i, j = _better_and_worse(y, targets)
    gain_N = _gains(targets)
    ideal_S = _ideal_dcg(gain_N, targets)
    discount_N = 1 / torch.log2(2 + _ranks(scores.detach(), targets))
    swap = (gain_N[i] - gain_N[j]).abs() * (discount_N[i] - discount_N[j]).abs() / ideal_S[targets.slate_N[i]]
    losses_S = _per_slate(swap * _softplus_of_worse(scores, i, j), targets.slate_N[i], targets)
    return _mean_where_gain(losses_S, gain_N, targets)


def approx_ndcg(scores_N: Tensor, targets: Targets) -> Tensor:
    """1 - NDCG with soft ranks 1 + sum of sigmoid((s_j - s_i) / temperature) (Qin, Liu, Li 2010)."""
    scores, _ = targets.known(scores_N)
    gain_N = _gains(targets)
    i, j = slate_pairs(targets.slate_N, gain_N > 0, targets.mask)
    beaten_by = ((scores[j] - scores[i]) / APPROX_NDCG_TEMPERATURE).sigmoid()
    rank_N = torch.ones_like(scores).index_add(0, i, beaten_by)
    dcg_S = _per_slate(gain_N / torch.log2(1 + rank_N), targets.slate_N, targets)
    return _mean_where_gain(1 - dcg_S / _ideal_dcg(gain_N, targets), gain_N, targets)


def _pairs(slate_N: Tensor, first_N: Tensor, second_N: Tensor) -> tuple[Tensor, Tensor]:
    """As slate_pairs gives them, and those of a row with itself."""
    first, second = first_N.nonzero().squeeze(1), second_N.nonzero().squeeze(1)
    num_slates = int(slate_N.max()) + 1 if len(slate_N) else 0
    slate_of_second, order = slate_N.index_select(0, second).sort(stable=True)
    num_second_S = torch.bincount(slate_of_second, minlength=num_slates)
    slate_of_first = slate_N.index_select(0, first)
    num_pairs = num_second_S.index_select(0, slate_of_first)
    # From the number of a pair to the place of its second row among those of its slate.
    start_S = num_second_S.cumsum(0) - num_second_S
    shift = start_S.index_select(0, slate_of_first) - (num_pairs.cumsum(0) - num_pairs)
    of_first = torch.arange(len(first), device=slate_N.device).repeat_interleave(num_pairs)
    place = torch.arange(len(of_first), device=slate_N.device) + shift.index_select(0, of_first)
    return first.index_select(0, of_first), second.index_select(0, order).index_select(0, place)


def _where(is_kept: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, Tensor]:
    kept = is_kept.nonzero().squeeze(1)
    return i.index_select(0, kept), j.index_select(0, kept)


def _better_and_worse(y_N: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """Row numbers (i, j) of all known pairs of one slate with y[i] > y[j], y[i] > 0."""
    i, j = _pairs(targets.slate_N, targets.mask & (y_N > 0), targets.mask)
    return _where(y_N.index_select(0, i) > y_N.index_select(0, j), i, j)


def _softplus_of_worse(scores_N: Tensor, better: Tensor, worse: Tensor) -> Tensor:
    return functional.softplus(scores_N.index_select(0, worse) - scores_N.index_select(0, better))


def _gains(targets: Targets) -> Tensor:
    """float[N]: weight x (2^y - 1); 0 where the label is not known."""
    return torch.where(targets.mask, targets.weight_N * (torch.exp2(targets.known(targets.y)[1]) - 1), 0.0)


def _num_slates(targets: Targets) -> int:
    return int(targets.slate_N.max()) + 1 if len(targets.slate_N) else 0


def _per_slate(values: Tensor, slate: Tensor, targets: Targets) -> Tensor:
    return values.new_zeros(_num_slates(targets)).index_add(0, slate, values)


def _mean_over_slates(losses: Tensor, weights: Tensor, slate: Tensor, targets: Targets) -> Tensor:
    """Weighted mean inside each slate, then the mean over slates with any weight."""
    sum_S, weight_S = _per_slate(losses, slate, targets), _per_slate(weights, slate, targets)
    has_S = weight_S > 0
    return (sum_S / torch.where(has_S, weight_S, 1.0)).sum() / has_S.sum().clamp(min=1)


def _mean_where_gain(losses_S: Tensor, gain_N: Tensor, targets: Targets) -> Tensor:
    """Mean over the slates that have a row with a gain; zero when none has."""
    has_S = _per_slate(gain_N, targets.slate_N, targets) > 0
    return torch.where(has_S, losses_S, 0.0).sum() / has_S.sum().clamp(min=1)


def _log_sum_exp(scores_N: Tensor, targets: Targets) -> Tensor:
    """float[S] over known rows; 0 for a slate without any."""
    low = torch.finfo(scores_N.dtype).min
    largest_S = scores_N.new_full((_num_slates(targets),), low).scatter_reduce(
        0, targets.slate_N, torch.where(targets.mask, scores_N.detach(), low), "amax"
    )
    shifted_N = torch.where(targets.mask, scores_N - largest_S[targets.slate_N], 0.0).exp()
    sum_S = _per_slate(torch.where(targets.mask, shifted_N, 0.0), targets.slate_N, targets)
    has_S = sum_S > 0
    return torch.where(has_S, torch.where(has_S, sum_S, 1.0).log() + largest_S, 0.0)


def _ranks(scores_N: Tensor, targets: Targets) -> Tensor:
    """0-based rank of each row among the known rows of its slate, best first; ties in order of rows."""
    low_N = torch.where(targets.mask, scores_N, -torch.inf)
    by_score = low_N.argsort(descending=True, stable=True)
    order = by_score[targets.slate_N[by_score].argsort(stable=True)]
    size_S = torch.bincount(targets.slate_N, minlength=_num_slates(targets))
    start_S = size_S.cumsum(0) - size_S
    place = torch.arange(len(order), device=order.device) - start_S[targets.slate_N[order]]
    return torch.empty_like(place).scatter_(0, order, place).to(scores_N.dtype)


def _ideal_dcg(gain_N: Tensor, targets: Targets) -> Tensor:
    """float[S]: the best possible DCG; 1 for a slate without a gain."""
    dcg_S = _per_slate(gain_N / torch.log2(2 + _ranks(gain_N, targets)), targets.slate_N, targets)
    return torch.where(dcg_S > 0, dcg_S, 1.0)
