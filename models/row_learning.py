"""Outputs of many rows on a CPU with their gradients: the ranker after its features, in a form made for learning.

The same numbers and gradients as `Ranker.tail`, to rounding (tested), several times as fast: rows run along the last
dimension, the steps between products are compiled (learning_kernels.py, learning_gradients.py), and all is one step of
the graph with its gradient written out. For scoring alone see row_scoring.py.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from models import learning_gradients, learning_kernels

if TYPE_CHECKING:
    from models.ranker import Ranker

__all__ = ["ROWS_LEARNED_AT_ONCE", "learn_rows"]

Float32 = NDArray[np.float32]
# Fewer have products and calls for too few rows, more leave a core's cache; from 512 to 2048 it is much the same.
ROWS_LEARNED_AT_ONCE = 1024


def learn_rows(ranker: "Ranker", user_SO: Tensor, rows_NF: Tensor, slate_N: Tensor) -> Tensor:
    """float32[K, N]: the outputs of all heads, tasks one after the other, before products and position.

    Arguments as score_rows takes them.
    """
    experts, heads = ranker.experts, ranker.heads
    plan = _Plan(experts.allowed_TE.numpy(), np.repeat(np.arange(len(heads)), ranker.num_outputs))
    found_KN: Tensor = _Net.apply(
        plan,
        slate_N,
        user_SO,
        rows_NF,
        ranker.first.weight_OF[:, ranker.first.splits[0] :],
        # The mean that LayerNorm takes off is taken off the weights.
        experts.weight_EHD - experts.weight_EHD.mean(2, keepdim=True),
        experts.bias_ED - experts.bias_ED.mean(1, keepdim=True),
        experts.norm_scale_ED,
        experts.norm_shift_ED,
        ranker.tower_TDW,
        ranker.tower_bias_TW,
        torch.cat([head.get_parameter("weight") for head in heads]),
        torch.cat([head.get_parameter("bias") for head in heads]),
    )
    return found_KN


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which experts a task may use, and whose output is whose."""

    allowed_TE: NDArray[np.bool_]
    task_K: NDArray[np.int64]

    def beside(self, first_OR: Tensor, num_hidden: int) -> tuple[Float32, Float32]:
        """What the first layer gives beside its hidden units: gates float32[T, E, R], and outputs float32[K, R]."""
        beside_GR = first_OR[num_hidden:].numpy()
        gate_GR, linear_KR = beside_GR[: self.allowed_TE.size], beside_GR[self.allowed_TE.size :]
        return gate_GR.reshape(*self.allowed_TE.shape, -1), linear_KR


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the gradient of a chunk of R rows needs of it, beside the weights.

    `first_OR`: E H hidden units before SiLU, and the experts' shares in place of their gates; `normal_EDR`: experts
    before scale and shift; `tower_TWR` before SiLU.
    """

    rows: slice
    first_OR: Tensor
    normal_EDR: Tensor
    inverse_ER: Tensor
    mixed_TDR: Tensor
    tower_TWR: Tensor


class _Memory:
    """Memory for many tensors, taken at once: pieces would go back to the system, and come from it slowly."""

    def __init__(self, num_values: int) -> None:
        self._all, self._num_taken = np.empty(num_values, np.float32), 0

    def take(self, *shape: int) -> Tensor:
        """float32 of this shape; what is in it means nothing."""
        start, self._num_taken = self._num_taken, self._num_taken + math.prod(shape)
        return torch.from_numpy(self._all[start : self._num_taken].reshape(shape))

    def take_back(self) -> None:
        """All that was taken may be taken again."""
        self._num_taken = 0


class _Net(torch.autograd.Function):
    """First layer, experts, gates, mixtures, towers and heads.

    The first layer gives E H hidden units, T E gates and K outputs; expert = SiLU(scale n + shift), n = o / deviation,
    o = W SiLU(hidden) + b of mean 0; mixed = sum of share x expert, shares are the softmax of gates; output = linear +
    head of SiLU(W mixed + b).
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - autograd's own
        plan: _Plan,
        slate_N: Tensor,
        user_SO: Tensor,
        rows_NF: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        first_OF, expert_EHD, bias_ED, scale_ED, shift_ED, tower_TDW, tower_bias_TW, head_KW, head_bias_K = weights
        (num_experts, num_hidden, width), (num_tasks, _, tower_width) = expert_EHD.shape, tower_TDW.shape
        num_units, num_first, num_rows = num_experts * num_hidden, len(first_OF), len(rows_NF)
        # Products are fastest with weights in the order in which they are added up.
        expert_EDH, tower_TWD = (weight.transpose(1, 2).contiguous() for weight in (expert_EHD, tower_TDW))
        bias, scale, shift, tower_bias, head, head_bias, user, slate = (
            one.detach().numpy()
            for one in (bias_ED, scale_ED, shift_ED, tower_bias_TW, head_KW, head_bias_K, user_SO, slate_N)
        )
        kept = _Memory(num_rows * (num_first + num_experts * (width + 1) + num_tasks * (width + tower_width)))
        scratch = _Memory(min(num_rows, ROWS_LEARNED_AT_ONCE) * (num_units + num_experts * width + tower_width))
        ctx.plan, ctx.user_shape, ctx.chunks = plan, user_SO.shape, []
        out_KN = torch.empty(len(plan.task_K), num_rows)
        for start in range(0, num_rows, ROWS_LEARNED_AT_ONCE):
            scratch.take_back()
            rows = slice(start, min(start + ROWS_LEARNED_AT_ONCE, num_rows))
            num = rows.stop - start
            first_OR = torch.mm(first_OF, rows_NF[rows].T, out=kept.take(num_first, num))
            hidden_EHR = scratch.take(num_experts, num_hidden, num)
            learning_kernels.add_users(first_OR.numpy(), user, slate[rows], hidden_EHR.view(num_units, num).numpy())
            gate_TER, linear_KR = plan.beside(first_OR, num_units)
            normal_EDR = torch.bmm(expert_EDH, hidden_EHR, out=kept.take(num_experts, width, num))
            inverse_ER, mixed_TDR = kept.take(num_experts, num), kept.take(num_tasks, width, num)
            learning_kernels.mix_experts(
                normal_EDR.numpy(), bias, scale, shift, gate_TER, plan.allowed_TE,
                inverse_ER.numpy(), scratch.take(num_experts, width, num).numpy(), mixed_TDR.numpy(),
            )  # fmt: skip
            tower_TWR = torch.bmm(tower_TWD, mixed_TDR, out=kept.take(num_tasks, tower_width, num))
            learning_kernels.heads(
                tower_TWR.numpy(), tower_bias, head, head_bias, plan.task_K, linear_KR,
                scratch.take(tower_width, num).numpy(), out_KN.numpy(), start,
            )  # fmt: skip
            ctx.chunks.append(_Kept(rows, first_OR, normal_EDR, inverse_ER, mixed_TDR, tower_TWR))
        ctx.save_for_backward(slate_N, rows_NF, *weights)
        return out_KN

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out_KN: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - autograd's own
        slate_N, rows_NF, *weights = ctx.saved_tensors
        first_OF, expert_EHD, _, scale_ED, shift_ED, tower_TDW, _, head_KW, _ = weights
        plan, slate, d_user_SO = ctx.plan, slate_N.numpy(), torch.zeros(ctx.user_shape)
        d_rows_NF = torch.empty_like(rows_NF) if ctx.needs_input_grad[3] else None
        gradients = [torch.zeros_like(weight) for weight in weights]
        d_first_OF, d_expert_EHD, *d_normal, d_tower_TDW, d_tower_bias_TW, d_head_KW, d_head_bias_K = gradients
        d_bias, d_scale, d_shift, scale, shift, head = (o.numpy() for o in (*d_normal, scale_ED, shift_ED, head_KW))
        d_heads = d_tower_bias_TW.numpy(), d_head_KW.numpy(), d_head_bias_K.numpy()
        (num_experts, num_hidden, width), (num_tasks, _, tower_width) = expert_EHD.shape, tower_TDW.shape
        num_units, num_first = num_experts * num_hidden, len(first_OF)
        a_row = num_first + num_units + num_experts * width + num_tasks * (width + tower_width)
        scratch = _Memory(min(len(rows_NF), ROWS_LEARNED_AT_ONCE) * a_row)
        for kept in ctx.chunks:
            scratch.take_back()
            rows_RF, num = rows_NF[kept.rows], kept.rows.stop - kept.rows.start
            d_first_OR = scratch.take(num_first, num)
            (share_TER, _), (d_gate_TER, d_linear_KR) = (plan.beside(o, num_units) for o in (kept.first_OR, d_first_OR))
            d_linear_KR[:] = d_out_KN[:, kept.rows].numpy()
            d_tower_TWR = scratch.take(num_tasks, tower_width, num)
            learning_gradients.head_gradients(
                d_linear_KR, kept.tower_TWR.numpy(), head, plan.task_K, d_tower_TWR.numpy(), *d_heads
            )
            d_tower_TDW.baddbmm_(kept.mixed_TDR, d_tower_TWR.transpose(1, 2))
            d_mixed_TDR = torch.bmm(tower_TDW, d_tower_TWR, out=scratch.take(num_tasks, width, num))
            d_output_EDR = scratch.take(num_experts, width, num)
            learning_gradients.mixture_gradients(
                d_mixed_TDR.numpy(), kept.normal_EDR.numpy(), kept.inverse_ER.numpy(), scale, shift,
                share_TER, plan.allowed_TE, d_output_EDR.numpy(), d_gate_TER, d_bias, d_scale, d_shift,
            )  # fmt: skip
            torch.bmm(expert_EHD, d_output_EDR, out=d_first_OR[:num_units].view(num_experts, num_hidden, num))
            hidden_EHR = scratch.take(num_experts, num_hidden, num)
            learning_gradients.hidden_gradients(
                kept.first_OR.numpy(), slate[kept.rows], d_first_OR.numpy(),
                hidden_EHR.view(num_units, num).numpy(), d_user_SO.numpy(),
            )  # fmt: skip
            d_expert_EHD.baddbmm_(hidden_EHR, d_output_EDR.transpose(1, 2))
            d_first_OF.addmm_(d_first_OR, rows_RF)
            if d_rows_NF is not None:
                torch.mm(d_first_OR.T, first_OF, out=d_rows_NF[kept.rows])
        return None, None, d_user_SO, d_rows_NF, *gradients
