"""Scores of many rows on a CPU: the ranker after its features, in a form made for scoring alone.

The same numbers as `Ranker.tail`, to rounding (tested), two to three times as fast. Rows run along the last dimension,
so that every step is over long contiguous runs; a chunk's numbers stay in a core's cache, in memory taken once; users
enter the first product as columns of ones; the mean that LayerNorm takes off is taken off the weights beforehand.
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
    def of(cls, ranker: "Ranker", dtype: torch.dtype) -> "FoldedWeights":
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
    """What a chunk of R rows needs, taken once: fresh memory for every step costs more than the step."""

    def __init__(self, weights: FoldedWeights, num_rows: int) -> None:
        num_experts, width, _ = weights.expert_EDH.shape
        num_tasks, tower_width, _ = weights.tower_TWD.shape
        low, full = weights.hidden_UF, weights.beside_GF
        self.num_rows = num_rows
        self.hidden_UR = low.new_empty(len(low), num_rows)
        self.beside_GR = full.new_empty(len(full), num_rows)
        self.output_EDR = low.new_empty(num_experts, width, num_rows)
        self.mixed_TDR = full.new_empty(num_tasks, width, num_rows)
        self.tower_TWR = full.new_empty(num_tasks, tower_width, num_rows)
        self.out_KR = np.empty((len(weights.task_K), num_rows), np.float32)


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
        chunk = slice(start, start + ROWS_AT_ONCE)
        rows_RF = rows_NF[chunk]
        if len(rows_RF) != memory.num_rows:
            memory = _Memory(weights, len(rows_RF))
        out_KN[:, chunk] = _score_chunk(weights, memory, rows_RF, user, slate[chunk])
    return torch.from_numpy(out_KN)


def _score_chunk(
    weights: FoldedWeights, memory: _Memory, rows_RF: Tensor, user_SO: Float32, slate_R: NDArray[np.int64]
) -> Float32:
    """float32[K, R]: the outputs; they are in `memory`."""
    expert_EDH, (num_tasks, num_experts) = weights.expert_EDH, weights.allowed_TE.shape
    hidden_UR = torch.mm(weights.hidden_UF, rows_RF.T.to(expert_EDH.dtype), out=memory.hidden_UR).float()
    beside_GR = torch.mm(weights.beside_GF, rows_RF.T, out=memory.beside_GR).numpy()
    row_kernels.add_users(hidden_UR.numpy(), beside_GR, user_SO, slate_R)
    hidden_EHR = hidden_UR.to(expert_EDH.dtype).view(num_experts, -1, len(rows_RF))
    expert_EDR = torch.bmm(expert_EDH, hidden_EHR, out=memory.output_EDR).float().numpy()
    gate_GR, linear_KR = beside_GR[: num_tasks * num_experts], beside_GR[num_tasks * num_experts :]
    gate_TER = gate_GR.reshape(num_tasks, num_experts, -1)
    normal = weights.expert_bias_ED, weights.scale_ED, weights.shift_ED
    row_kernels.mix_experts(expert_EDR, *normal, gate_TER, weights.allowed_TE, memory.mixed_TDR.numpy())
    tower_TWR = torch.bmm(weights.tower_TWD, memory.mixed_TDR, out=memory.tower_TWR).numpy()
    of_heads = weights.tower_bias_TW, weights.head_KW, weights.head_bias_K, weights.task_K
    row_kernels.heads(tower_TWR, *of_heads, linear_KR, memory.out_KR)
    return memory.out_KR


def _centred(weight: Tensor) -> Tensor:
    """Without the mean over an expert's outputs, the last dimension."""
    return weight - weight.mean(-1, keepdim=True)
