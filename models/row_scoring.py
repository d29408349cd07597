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

__all__ = ["FoldedWeights", "score_rows"]

# A chunk whose numbers stay in a core's cache.
ROWS_AT_ONCE = 640
LAYER_NORM_EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class FoldedWeights:
    """The ranker's. The first layer gives U = E H hidden units, and beside them G = T E gates and K outputs."""

    hidden_UF: Tensor
    beside_GF: Tensor
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
    def of(cls, ranker: "Ranker", dtype: torch.dtype) -> "FoldedWeights":
        """From the ranker as it is. `dtype`: of the large products."""
        experts, heads, num_hidden = ranker.experts, ranker.heads, ranker.experts.splits[0]
        first_OF = ranker.first.weight_OF[:, ranker.first.splits[0] :]
        closed_TE = torch.where(experts.allowed_TE, 0.0, -torch.inf)
        return cls(
            hidden_UF=first_OF[:num_hidden].to(dtype),
            beside_GF=first_OF[num_hidden:],
            expert_EDH=_centred(experts.weight_EHD).transpose(1, 2).to(dtype).contiguous(),
            expert_bias_ED1=_centred(experts.bias_ED).unsqueeze(2),
            scale_ED1=experts.norm_scale_ED.unsqueeze(2),
            shift_ED1=experts.norm_shift_ED.unsqueeze(2),
            closed_TE1=closed_TE.unsqueeze(2),
            tower_TWD=ranker.tower_TDW.transpose(1, 2).contiguous(),
            tower_bias_TW1=ranker.tower_bias_TW.unsqueeze(2),
            head_KV=torch.block_diag(*(head.get_parameter("weight") for head in heads)),  # type: ignore[no-untyped-call]
            head_bias_K1=torch.cat([head.get_parameter("bias") for head in heads]).unsqueeze(1),
        )


@dataclass(frozen=True, slots=True)
class _Users:
    """What the users of S slates add to the first layer: to its hidden units, and to what is beside them."""

    hidden_US: Tensor
    beside_GS: Tensor


class _Memory:
    """What a chunk of R rows needs, taken once: fresh memory for every step costs more than the step."""

    def __init__(self, weights: FoldedWeights, num_rows: int) -> None:
        num_experts, width, _ = weights.expert_EDH.shape
        num_tasks, tower_width, _ = weights.tower_TWD.shape
        low, full = weights.hidden_UF, weights.beside_GF
        self.hidden_UR = low.new_empty(len(low), num_rows)
        self.beside_GR = full.new_empty(len(full), num_rows)
        self.output_EDR = low.new_empty(num_experts, width, num_rows)
        self.expert_EDR = self.output_EDR if low.dtype == full.dtype else full.new_empty(num_experts, width, num_rows)
        self.square_EDR = full.new_empty(num_experts, width, num_rows)
        self.mixed_TDR = full.new_empty(num_tasks, width, num_rows)
        self.tower_TWR = full.new_empty(num_tasks, tower_width, num_rows)


@torch.no_grad()
def score_rows(weights: FoldedWeights, user_SO: Tensor, rows_NF: Tensor, slate_N: Tensor) -> Tensor:
    """float32[K, N]: the outputs of all heads, tasks one after the other, before products and position.

    `user_SO`: the users' part of the first layer; `rows_NF` float32: normalised item and cross features. `slate_N` may
    be in any order; rows of a slate that follow each other are scored fastest.
    """
    num_hidden = len(weights.hidden_UF)
    users = _Users(user_SO.T[:num_hidden].to(weights.hidden_UF.dtype), user_SO.T[num_hidden:])
    memory = _Memory(weights, min(ROWS_AT_ONCE, len(rows_NF)))
    out_KN = rows_NF.new_empty(len(weights.head_KV), len(rows_NF))
    chunks = zip(*(torch.split(one, ROWS_AT_ONCE) for one in (rows_NF, slate_N)), strict=True)
    for (rows_RF, slate_R), out_KR in zip(chunks, torch.split(out_KN, ROWS_AT_ONCE, 1), strict=True):
        inputs = _first(weights, users, memory, rows_RF, slate_R)
        _score_chunk(weights, memory, inputs, out_KR)
    return out_KN


def _score_chunk(weights: FoldedWeights, memory: _Memory, first: tuple[Tensor, Tensor], out_KR: Tensor) -> None:
    """Writes the outputs of R rows into `out_KR`, from those of the first layer."""
    hidden_UR, beside_GR = first
    num_outputs, num_rows = out_KR.shape
    expert_EDR = _experts(weights, hidden_UR, memory)
    gate_GR, linear_KR = torch.split(beside_GR, [len(beside_GR) - num_outputs, num_outputs])
    gate_TER = (gate_GR.view(-1, len(expert_EDR), num_rows) + weights.closed_TE1).softmax(1)
    mixed_TDR = _mix(gate_TER, expert_EDR, memory.mixed_TDR[:, :, :num_rows])
    tower_TWR = torch.bmm(weights.tower_TWD, mixed_TDR, out=memory.tower_TWR[:, :, :num_rows])
    functional.silu(tower_TWR.add_(weights.tower_bias_TW1), inplace=True)
    out_KR.copy_(torch.mm(weights.head_KV, tower_TWR.flatten(0, 1)).add_(linear_KR).add_(weights.head_bias_K1))


def _first(
    weights: FoldedWeights, users: _Users, memory: _Memory, rows_RF: Tensor, slate_R: Tensor
) -> tuple[Tensor, Tensor]:
    """The first layer, hidden units and what is beside them: a column of ones per slate adds the part of its user."""
    start, end = int(slate_R.min()), int(slate_R.max()) + 1
    is_of_RS = (slate_R.unsqueeze(1) == torch.arange(start, end)).to(rows_RF.dtype)
    inputs_RG = torch.cat([rows_RF, is_of_RS], 1)
    hidden_UG = torch.cat([weights.hidden_UF, users.hidden_US[:, start:end]], 1)
    beside_GG = torch.cat([weights.beside_GF, users.beside_GS[:, start:end]], 1)
    num_rows = len(rows_RF)
    hidden_UR = torch.mm(hidden_UG, inputs_RG.T.to(hidden_UG.dtype), out=memory.hidden_UR[:, :num_rows])
    return hidden_UR, torch.mm(beside_GG, inputs_RG.T, out=memory.beside_GR[:, :num_rows])


def _experts(weights: FoldedWeights, hidden_UR: Tensor, memory: _Memory) -> Tensor:
    """float32[E, D, R]: SiLU(LayerNorm(W SiLU(hidden) + b)) of every expert."""
    num_experts, width, _ = weights.expert_EDH.shape
    num_rows = hidden_UR.shape[1]
    hidden_EHR = functional.silu(hidden_UR, inplace=True).view(num_experts, -1, num_rows)
    output_EDR = torch.bmm(weights.expert_EDH, hidden_EHR, out=memory.output_EDR[:, :, :num_rows])
    expert_EDR = torch.add(output_EDR, weights.expert_bias_ED1, out=memory.expert_EDR[:, :, :num_rows])
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


def _centred(weight: Tensor) -> Tensor:
    """Without the mean over an expert's outputs, the last dimension."""
    return weight - weight.mean(-1, keepdim=True)
