"""Scores of many rows on a CPU: the ranker after its features, in a form made for scoring alone.

The same numbers as `Ranker.tail`, to rounding (tested), two to three times as fast. Rows run along the last dimension,
so that every step is over long contiguous runs; a chunk's numbers stay in a core's cache, in memory taken once; users
enter the first product as columns of ones; the mean that LayerNorm takes off is taken off the weights beforehand.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from models.ranker import Ranker

__all__ = ["score_rows"]

# A chunk whose numbers stay in a core's cache.
ROWS_AT_ONCE = 640
LAYER_NORM_EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class _Weights:
    """The ranker's, folded. O outputs of the first layer are E H hidden units, T E gates and K outputs."""

    user_OS: Tensor
    first_OF: Tensor
    expert_EDH: Tensor
    expert_bias_ED1: Tensor
    scale_ED1: Tensor
    shift_ED1: Tensor
    closed_TE1: Tensor
    tower_TWD: Tensor
    tower_bias_TW1: Tensor
    head_KV: Tensor
    head_bias_K1: Tensor

    @classmethod
    def of(cls, ranker: "Ranker", user_SO: Tensor) -> "_Weights":
        """From the ranker as it is, and the users' part of the first layer; no copies are kept of what is large."""
        experts, heads = ranker.experts, ranker.heads
        bias_ED = experts.bias_ED - experts.bias_ED.mean(1, keepdim=True)
        closed_TE = torch.where(experts.allowed_TE, 0.0, -torch.inf)
        return cls(
            user_OS=user_SO.T,
            first_OF=ranker.first.weight_OF[:, ranker.first.splits[0] :],
            expert_EDH=(experts.weight_EHD - experts.weight_EHD.mean(2, keepdim=True)).transpose(1, 2).contiguous(),
            expert_bias_ED1=bias_ED.unsqueeze(2),
            scale_ED1=experts.norm_scale_ED.unsqueeze(2),
            shift_ED1=experts.norm_shift_ED.unsqueeze(2),
            closed_TE1=closed_TE.unsqueeze(2),
            tower_TWD=ranker.tower_TDW.transpose(1, 2).contiguous(),
            tower_bias_TW1=ranker.tower_bias_TW.unsqueeze(2),
            head_KV=torch.block_diag(*(head.get_parameter("weight") for head in heads)),  # type: ignore[no-untyped-call]
            head_bias_K1=torch.cat([head.get_parameter("bias") for head in heads]).unsqueeze(1),
        )


class _Memory:
    """What a chunk of R rows needs, taken once: fresh memory for every step costs more than the step."""

    def __init__(self, weights: _Weights, num_rows: int) -> None:
        num_experts, width, _ = weights.expert_EDH.shape
        num_tasks, tower_width, _ = weights.tower_TWD.shape
        like = weights.first_OF
        self.first_OR = like.new_empty(len(weights.first_OF), num_rows)
        self.expert_EDR = like.new_empty(num_experts, width, num_rows)
        self.square_EDR = like.new_empty(num_experts, width, num_rows)
        self.mixed_TDR = like.new_empty(num_tasks, width, num_rows)
        self.tower_TWR = like.new_empty(num_tasks, tower_width, num_rows)


@torch.no_grad()
def score_rows(ranker: "Ranker", user_SO: Tensor, rows_NF: Tensor, slate_N: Tensor) -> Tensor:
    """float32[K, N]: the outputs of all heads, tasks one after the other, before products and position.

    `user_SO`: the users' part of the first layer; `rows_NF` float32: normalised item and cross features. `slate_N` may
    be in any order; rows of a slate that follow each other are scored fastest.
    """
    weights = _Weights.of(ranker, user_SO)
    memory = _Memory(weights, min(ROWS_AT_ONCE, len(rows_NF)))
    out_KN = rows_NF.new_empty(len(weights.head_KV), len(rows_NF))
    chunks = zip(*(torch.split(one, ROWS_AT_ONCE) for one in (rows_NF, slate_N)), strict=True)
    for (rows_RF, slate_R), out_KR in zip(chunks, torch.split(out_KN, ROWS_AT_ONCE, 1), strict=True):
        _score_chunk(weights, memory, rows_RF, slate_R, out_KR)
    return out_KN


def _score_chunk(weights: _Weights, memory: _Memory, rows_RF: Tensor, slate_R: Tensor, out_KR: Tensor) -> None:
    """Writes the outputs of R rows into `out_KR`."""
    num_rows, num_outputs = len(rows_RF), len(out_KR)
    first_OR = _first(weights, rows_RF, slate_R, memory.first_OR[:, :num_rows])
    num_experts, _, hidden = weights.expert_EDH.shape
    num_gates = len(first_OR) - num_outputs - num_experts * hidden
    hidden_OR, gate_OR, linear_KR = torch.split(first_OR, [num_experts * hidden, num_gates, num_outputs])
    expert_EDR = _experts(weights, hidden_OR, memory)
    gate_TER = (gate_OR.view(-1, num_experts, num_rows) + weights.closed_TE1).softmax(1)
    mixed_TDR = _mix(gate_TER, expert_EDR, memory.mixed_TDR[:, :, :num_rows])
    tower_TWR = torch.bmm(weights.tower_TWD, mixed_TDR, out=memory.tower_TWR[:, :, :num_rows])
    functional.silu(tower_TWR.add_(weights.tower_bias_TW1), inplace=True)
    out_KR.copy_(torch.mm(weights.head_KV, tower_TWR.flatten(0, 1)).add_(linear_KR).add_(weights.head_bias_K1))


def _first(weights: _Weights, rows_RF: Tensor, slate_R: Tensor, out_OR: Tensor) -> Tensor:
    """The first layer: a column of ones per slate adds the part of its user."""
    start, end = int(slate_R.min()), int(slate_R.max()) + 1
    is_of_RS = (slate_R.unsqueeze(1) == torch.arange(start, end)).to(rows_RF.dtype)
    weight_OG = torch.cat([weights.first_OF, weights.user_OS[:, start:end]], 1)
    return torch.mm(weight_OG, torch.cat([rows_RF, is_of_RS], 1).T, out=out_OR)


def _experts(weights: _Weights, hidden_OR: Tensor, memory: _Memory) -> Tensor:
    """float32[E, D, R]: SiLU(LayerNorm(W SiLU(hidden) + b)) of every expert."""
    num_experts, width, _ = weights.expert_EDH.shape
    num_rows = hidden_OR.shape[1]
    hidden_EHR = functional.silu(hidden_OR, inplace=True).view(num_experts, -1, num_rows)
    expert_EDR = torch.bmm(weights.expert_EDH, hidden_EHR, out=memory.expert_EDR[:, :, :num_rows])
    expert_EDR.add_(weights.expert_bias_ED1)
    square_EDR = torch.mul(expert_EDR, expert_EDR, out=memory.square_EDR[:, :, :num_rows])
    inverse_E1R = square_EDR.sum(1, keepdim=True).div_(width).add_(LAYER_NORM_EPSILON).rsqrt_()
    torch.addcmul(weights.shift_ED1, expert_EDR.mul_(inverse_E1R), weights.scale_ED1, out=expert_EDR)
    return functional.silu(expert_EDR, inplace=True)


def _mix(gate_TER: Tensor, expert_EDR: Tensor, out_TDR: Tensor) -> Tensor:
    """float32[T, D, R]: experts by their share in each task."""
    (gate_T1R, expert_DR), *others = zip(gate_TER.unsqueeze(2).unbind(1), expert_EDR.unbind(0), strict=True)
    torch.mul(gate_T1R, expert_DR, out=out_TDR)
    for gate_T1R, expert_DR in others:
        out_TDR.addcmul_(gate_T1R, expert_DR)
    return out_TDR
