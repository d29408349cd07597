"""Scores of many rows on a CPU: the ranker after its features, in a form made for scoring alone.

The same numbers as `Ranker.tail`, to rounding (tested), several times as fast. Rows run along the last dimension,
so that every step is over long contiguous runs; a chunk's numbers stay in a core's cache, in memory taken once; users
are added row by row; the mean that LayerNorm takes off is taken off the weights beforehand.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import row_kernels

if TYPE_CHECKING:
    from models.ranker import Ranker

__all__ = ["FoldedWeights", "score_rows"]

Float32 = NDArray[np.float32]
# A chunk whose numbers stay in a core's cache.
ROWS_AT_ONCE = 640


@dataclass(frozen=True, slots=True)
class FoldedWeights:
    """The ranker's. The first layer gives U = E H hidden units, and beside them G = T E gates and K outputs.

    What the products take are tensors, what the steps between them take are arrays. `task_K`: whose output is whose.
    """

    hidden_UF: Tensor
    beside_GF: Tensor
    expert_EDH: Tensor
    expert_bias_ED: Float32
    scale_ED: Float32
    shift_ED: Float32
    allowed_TE: NDArray[np.bool_]
    tower_TWD: Tensor
    tower_bias_TW: Float32
    head_KW: Float32
    head_bias_K: Float32
    task_K: NDArray[np.int64]

    @classmethod
    @torch.no_grad()
    def of(cls, ranker: "Ranker", dtype: torch.dtype = torch.float32) -> "FoldedWeights":
        """From the ranker as it is. `dtype`: of the large products."""
        experts, heads, num_hidden = ranker.experts, ranker.heads, ranker.experts.splits[0]
        first_OF = ranker.first.weight_OF[:, ranker.first.splits[0] :]
        return cls(
            hidden_UF=first_OF[:num_hidden].to(dtype),
            beside_GF=first_OF[num_hidden:],
            expert_EDH=_centred(experts.weight_EHD).transpose(1, 2).to(dtype).contiguous(),
            expert_bias_ED=_centred(experts.bias_ED).numpy(),
            scale_ED=experts.norm_scale_ED.detach().numpy(),
            shift_ED=experts.norm_shift_ED.detach().numpy(),
            allowed_TE=experts.allowed_TE.numpy(),
            tower_TWD=ranker.tower_TDW.transpose(1, 2).contiguous(),
            tower_bias_TW=ranker.tower_bias_TW.detach().numpy(),
            head_KW=torch.cat([head.get_parameter("weight") for head in heads]).numpy(),
            head_bias_K=torch.cat([head.get_parameter("bias") for head in heads]).numpy(),
            task_K=np.repeat(np.arange(len(heads)), ranker.num_outputs),
        )


class _Memory:
    """What a chunk of R rows needs, taken once: tensors for the products, arrays of the same numbers for the rest.

    Fresh memory for every step costs more than the step.
    """

    def __init__(self, weights: FoldedWeights, num_rows: int) -> None:
        num_experts, width, _ = weights.expert_EDH.shape
        num_tasks, tower_width, _ = weights.tower_TWD.shape
        low, full = weights.hidden_UF, weights.beside_GF
        self.hidden_UR = low.new_empty(len(low), num_rows)
        self.beside_GR = full.new_empty(len(full), num_rows)
        self.output_EDR = low.new_empty(num_experts, width, num_rows)
        self.mixed_TDR = full.new_empty(num_tasks, width, num_rows)
        self.tower_TWR = full.new_empty(num_tasks, tower_width, num_rows)
        beside, num_gates = self.beside_GR.numpy(), num_tasks * num_experts
        self.gate_TER, self.linear_KR = beside[:num_gates].reshape(num_tasks, num_experts, -1), beside[num_gates:]
        self.mixed, self.tower = self.mixed_TDR.numpy(), self.tower_TWR.numpy()


@torch.no_grad()
def score_rows(weights: FoldedWeights, user_SO: Tensor, rows_NF: Tensor, slate_N: Tensor) -> Tensor:
    """float32[K, N]: the outputs of all heads, tasks one after the other, before products and position.

    `user_SO`: the users' part of the first layer; `rows_NF` float32: normalised item and cross features. `slate_N` may
    be in any order; rows of a slate that follow each other are scored fastest.
    """
    memory = _Memory(weights, min(ROWS_AT_ONCE, len(rows_NF)))
    out_KN = np.empty((len(weights.task_K), len(rows_NF)), np.float32)
    user, slate = user_SO.numpy(), slate_N.numpy()
    for start in range(0, len(rows_NF), ROWS_AT_ONCE):
        rows_RF = rows_NF[start : start + ROWS_AT_ONCE]
        if len(rows_RF) != memory.hidden_UR.shape[1]:
            memory = _Memory(weights, len(rows_RF))
        _score_chunk(weights, memory, rows_RF, user, slate[start : start + ROWS_AT_ONCE])
        of_heads = weights.tower_bias_TW, weights.head_KW, weights.head_bias_K, weights.task_K
        row_kernels.heads(memory.tower, *of_heads, memory.linear_KR, out_KN, start)
    return torch.from_numpy(out_KN)


def _score_chunk(
    weights: FoldedWeights, memory: _Memory, rows_RF: Tensor, user_SO: Float32, slate_R: NDArray[np.int64]
) -> None:
    """Fills `memory` up to the towers, before their bias and SiLU."""
    hidden_UR = torch.mm(weights.hidden_UF, rows_RF.T.to(weights.hidden_UF.dtype), out=memory.hidden_UR).float()
    beside_GR = torch.mm(weights.beside_GF, rows_RF.T, out=memory.beside_GR)
    row_kernels.add_users(hidden_UR.numpy(), beside_GR.numpy(), user_SO, slate_R)
    hidden_EHR = hidden_UR.to(weights.hidden_UF.dtype).view(len(weights.expert_EDH), -1, len(rows_RF))
    expert_EDR = torch.bmm(weights.expert_EDH, hidden_EHR, out=memory.output_EDR).float().numpy()
    normal = weights.expert_bias_ED, weights.scale_ED, weights.shift_ED
    row_kernels.mix_experts(expert_EDR, *normal, memory.gate_TER, weights.allowed_TE, memory.mixed)
    torch.bmm(weights.tower_TWD, memory.mixed_TDR, out=memory.tower_TWR)


def _centred(weight: Tensor) -> Tensor:
    """Without the mean over an expert's outputs, the last dimension."""
    return weight - weight.mean(-1, keepdim=True)
