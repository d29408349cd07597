"""Outputs of many rows on a CPU with their gradients: the ranker after its features, in a form made for learning.

The same numbers and gradients as `Ranker.tail`, to rounding (tested), several times as fast: rows run along the last
dimension, a chunk's numbers stay in a core's cache, the steps between products are compiled (learning_kernels.py), and
all is one step of the graph with its gradient written out. For scoring alone see row_scoring.py.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from models import learning_kernels

if TYPE_CHECKING:
    from models.ranker import Ranker

__all__ = ["ROWS_LEARNED_AT_ONCE", "learn_rows"]

Float32 = NDArray[np.float32]
# A chunk whose numbers stay in a core's cache.
ROWS_LEARNED_AT_ONCE = 512


def learn_rows(ranker: "Ranker", user_SO: Tensor, rows_NF: Tensor, slate_N: Tensor) -> Tensor:
    """float32[K, N]: the outputs of all heads, tasks one after the other, before products and position.

    Arguments as score_rows takes them.
    """
    experts, heads = ranker.experts, ranker.heads
    plan = _Plan(experts.allowed_TE.numpy(), np.repeat(np.arange(len(heads)), ranker.num_outputs))
    # The mean that LayerNorm takes off is taken off the weights.
    found_KN: Tensor = _Net.apply(
        plan,
        slate_N,
        user_SO,
        rows_NF,
        ranker.first.weight_OF[:, ranker.first.splits[0] :],
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


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the gradient of a chunk of R rows needs of it, beside the weights.

    `first_OR`: E H hidden units before SiLU, and the experts' shares in place of their gates; `normal_EDR`: experts
    before scale and shift; `tower_TWR` before SiLU.
    """

    first_OR: Tensor
    normal_EDR: Tensor
    inverse_ER: Float32
    mixed_TDR: Tensor
    tower_TWR: Tensor


class _Net(torch.autograd.Function):
    """First layer, experts, gates, mixtures, towers and heads.

    The first layer gives E H hidden units, T E gates and K outputs; expert = SiLU(scale n + shift), n = o / deviation,
    o = W SiLU(hidden) + b of mean 0; mixed = sum of share x expert, shares are the softmax of gates; output = linear +
    head of SiLU(W mixed + b).
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd passes no keywords
        ctx: Any, plan: _Plan, slate_N: Tensor, user_SO: Tensor, rows_NF: Tensor, *weights: Tensor  # noqa: ANN401
    ) -> Tensor:
        first_OF, expert_EHD, expert_bias_ED, scale_ED, shift_ED, tower_TDW, *rest = weights
        # Products are fastest with the weights' rows side by side as they are asked for.
        expert_EDH, tower_TWD = (weight.transpose(1, 2).contiguous() for weight in (expert_EHD, tower_TDW))
        ctx.save_for_backward(slate_N, rows_NF, *weights)
        ctx.plan, ctx.user_shape, ctx.kept = plan, user_SO.shape, []
        num_tasks, num_experts = plan.allowed_TE.shape
        normal = [_array(one) for one in (expert_bias_ED, scale_ED, shift_ED)]
        of_heads = [*(_array(one) for one in rest), plan.task_K]
        user, slate = _array(user_SO), slate_N.numpy()
        out_KN = np.empty((len(plan.task_K), len(rows_NF)), np.float32)
        for start, rows_RF in _chunks(rows_NF):
            num_rows = len(rows_RF)
            first_OR = torch.mm(first_OF, rows_RF.T)
            hidden_EHR = first_OR.new_empty(*expert_EHD.shape[:2], num_rows)
            first = first_OR.numpy()
            hidden_UR = hidden_EHR.flatten(0, 1).numpy()
            learning_kernels.add_users(first, user, slate[start : start + num_rows], hidden_UR)
            gate_TER, linear_KR = _beside(first, len(hidden_UR), plan)
            normal_EDR = torch.bmm(expert_EDH, hidden_EHR)
            expert_EDR, inverse_ER = torch.empty_like(normal_EDR), np.empty((num_experts, num_rows), np.float32)
            mixed_TDR = first_OR.new_empty(num_tasks, normal_EDR.shape[1], num_rows)
            learning_kernels.mix_experts(
                normal_EDR.numpy(), *normal, gate_TER, plan.allowed_TE, inverse_ER, expert_EDR.numpy(),
                mixed_TDR.numpy(),
            )  # fmt: skip
            tower_TWR = torch.bmm(tower_TWD, mixed_TDR)
            active_WR = np.empty(tower_TWR.shape[1:], np.float32)
            learning_kernels.heads(tower_TWR.numpy(), *of_heads, linear_KR, active_WR, out_KN, start)
            ctx.kept.append(_Kept(first_OR, normal_EDR, inverse_ER, mixed_TDR, tower_TWR))
        return torch.from_numpy(out_KN)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out_KN: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        slate_N, rows_NF, *weights = ctx.saved_tensors
        first_OF, expert_EHD, _, scale_ED, shift_ED, tower_TDW, _, head_KW, _ = weights
        plan, slate = ctx.plan, slate_N.numpy()
        d_user_SO, d_rows_NF = rows_NF.new_zeros(ctx.user_shape), None
        if ctx.needs_input_grad[3]:
            d_rows_NF = torch.empty_like(rows_NF)
        gradients = [torch.zeros_like(weight) for weight in weights]
        d_first_OF, d_expert_EHD, d_bias_ED, d_scale_ED, d_shift_ED, d_tower_TDW, *d_rest = gradients
        num_hidden = len(expert_EHD) * expert_EHD.shape[1]
        for (start, rows_RF), kept in zip(_chunks(rows_NF), ctx.kept, strict=True):
            num_rows = len(rows_RF)
            first, d_first_OR = kept.first_OR.numpy(), torch.empty_like(kept.first_OR)
            d_first = d_first_OR.numpy()
            share_TER, _ = _beside(first, num_hidden, plan)
            d_gate_TER, d_out_KR = _beside(d_first, num_hidden, plan)
            d_out_KR[:] = d_out_KN[:, start : start + num_rows].numpy()
            d_tower_TWR = torch.empty_like(kept.tower_TWR)
            learning_kernels.head_gradients(
                d_out_KR, kept.tower_TWR.numpy(), _array(head_KW), plan.task_K,
                d_tower_TWR.numpy(), *(one.numpy() for one in d_rest),
            )  # fmt: skip
            d_tower_TDW.baddbmm_(kept.mixed_TDR, d_tower_TWR.transpose(1, 2))
            d_mixed_TDR = torch.bmm(tower_TDW, d_tower_TWR)
            d_output_EDR = torch.empty_like(kept.normal_EDR)
            learning_kernels.mixture_gradients(
                d_mixed_TDR.numpy(), kept.normal_EDR.numpy(), kept.inverse_ER, _array(scale_ED), _array(shift_ED),
                share_TER, plan.allowed_TE, d_output_EDR.numpy(), d_gate_TER,
                d_bias_ED.numpy(), d_scale_ED.numpy(), d_shift_ED.numpy(),
            )  # fmt: skip
            d_hidden_UR = d_first_OR[:num_hidden]
            d_hidden_EHR = d_hidden_UR.view(len(expert_EHD), -1, num_rows)
            torch.bmm(expert_EHD, d_output_EDR, out=d_hidden_EHR)
            hidden_EHR = torch.empty_like(d_hidden_EHR)
            learning_kernels.hidden_gradients(
                first, slate[start : start + num_rows], d_first, hidden_EHR.flatten(0, 1).numpy(), d_user_SO.numpy()
            )
            d_expert_EHD.baddbmm_(hidden_EHR, d_output_EDR.transpose(1, 2))
            d_first_OF.addmm_(d_first_OR, rows_RF)
            if d_rows_NF is not None:
                torch.mm(d_first_OR.T, first_OF, out=d_rows_NF[start : start + num_rows])
        return None, None, d_user_SO, d_rows_NF, *gradients


def _chunks(rows_NF: Tensor) -> list[tuple[int, Tensor]]:
    """Where each begins, and its rows."""
    starts = range(0, len(rows_NF), ROWS_LEARNED_AT_ONCE)
    return [(start, rows_NF[start : start + ROWS_LEARNED_AT_ONCE]) for start in starts]


def _beside(first_OR: Float32, num_hidden: int, plan: _Plan) -> tuple[Float32, Float32]:
    """What the first layer gives beside hidden units: gates float32[T, E, R], and outputs float32[K, R]."""
    num_gates = plan.allowed_TE.size
    gate_GR, linear_KR = first_OR[num_hidden : num_hidden + num_gates], first_OR[num_hidden + num_gates :]
    return gate_GR.reshape(*plan.allowed_TE.shape, -1), linear_KR


def _array(weight: Tensor) -> Float32:
    return weight.detach().numpy()
