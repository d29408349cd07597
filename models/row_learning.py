"""Outputs of many rows on a CPU with their gradients: the ranker after its features, in a form made for learning.

The same numbers and gradients as `Ranker.tail`, to rounding (tested), two to three times as fast: rows run along the
last dimension, a chunk's numbers stay in a core's cache, and experts, gates and towers are one step of the graph with
its gradient written out. For scoring alone see row_scoring.py.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from models.ranker import Ranker

__all__ = ["ROWS_LEARNED_AT_ONCE", "learn_rows"]

ROWS_LEARNED_AT_ONCE = 1024
LAYER_NORM_EPSILON = 1e-5


def learn_rows(ranker: "Ranker", user_SO: Tensor, rows_NF: Tensor, slate_N: Tensor) -> Tensor:
    """float32[K, N]: the outputs of all heads, tasks one after the other, before products and position.

    Arguments as score_rows takes them.
    """
    experts, first_OF = ranker.experts, ranker.first.weight_OF[:, ranker.first.splits[0] :]
    # The mean that LayerNorm takes off is taken off the weights.
    expert_EDH = (experts.weight_EHD - experts.weight_EHD.mean(2, keepdim=True)).transpose(1, 2)
    expert_ED1 = (experts.bias_ED - experts.bias_ED.mean(1, keepdim=True)).unsqueeze(2)
    of_net = (
        torch.where(experts.allowed_TE, 0.0, -torch.inf).unsqueeze(2),
        expert_EDH.contiguous(),
        expert_ED1,
        experts.norm_scale_ED.unsqueeze(2),
        experts.norm_shift_ED.unsqueeze(2),
        ranker.tower_TDW.transpose(1, 2).contiguous(),
        ranker.tower_bias_TW.unsqueeze(2),
    )
    head_KV = torch.block_diag(*(head.get_parameter("weight") for head in ranker.heads))  # type: ignore[no-untyped-call]
    bias_K1 = torch.cat([head.get_parameter("bias") for head in ranker.heads]).unsqueeze(1)
    found = []
    for rows_RF, slate_R in zip(*(torch.split(one, ROWS_LEARNED_AT_ONCE) for one in (rows_NF, slate_N)), strict=True):
        first_OR = _first(first_OF, user_SO, rows_RF, slate_R)
        tower_TWR, linear_KR = _Towers.apply(first_OR, *of_net)
        found.append(torch.addmm(linear_KR, head_KV, tower_TWR.flatten(0, 1)))
    return torch.cat(found, 1) + bias_K1


def _first(first_OF: Tensor, user_SO: Tensor, rows_RF: Tensor, slate_R: Tensor) -> Tensor:
    """The first layer: a column of ones per slate adds the part of its user."""
    start, end = int(slate_R.min()), int(slate_R.max()) + 1
    is_of_RS = (slate_R.unsqueeze(1) == torch.arange(start, end)).to(rows_RF.dtype)
    return torch.cat([first_OF, user_SO[start:end].T], 1) @ torch.cat([rows_RF, is_of_RS], 1).T


class _Towers(torch.autograd.Function):
    """Experts, gates, mixtures and towers: float[T, W, R], and the linear path's float[K, R] as it came.

    expert = SiLU(scale n + shift), n = o / sqrt(mean o^2 + epsilon), o = W SiLU(hidden) + b of mean 0; mixed = sum of
    gate x expert; tower = SiLU(W mixed + b). The rest of the file is the chain rule.
    """

    @staticmethod
    def forward(ctx: Any, first_OR: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        closed_TE1, expert_EDH, expert_ED1, scale_ED1, shift_ED1, tower_TWD, tower_TW1 = weights
        num_experts, _, num_hidden = expert_EDH.shape
        num_tasks, num_rows = len(tower_TWD), first_OR.shape[1]
        sizes = [num_experts * num_hidden, num_tasks * num_experts]
        hidden_OR, gate_OR, linear_KR = torch.split(first_OR, [*sizes, len(first_OR) - sum(sizes)])
        hidden_EHR = functional.silu(hidden_OR).view(num_experts, num_hidden, num_rows)
        normal_EDR = torch.bmm(expert_EDH, hidden_EHR).add_(expert_ED1)
        inverse_E1R = normal_EDR.square().mean(1, keepdim=True).add_(LAYER_NORM_EPSILON).rsqrt_()
        normal_EDR.mul_(inverse_E1R)
        scaled_EDR = torch.addcmul(shift_ED1, normal_EDR, scale_ED1)
        expert_EDR = functional.silu(scaled_EDR)
        gate_TER = (gate_OR.view(num_tasks, num_experts, num_rows) + closed_TE1).softmax(1)
        mixed_TDR = gate_TER[:, :1] * expert_EDR[0]
        for e in range(1, num_experts):
            mixed_TDR.addcmul_(gate_TER[:, e : e + 1], expert_EDR[e])
        tower_TWR = torch.bmm(tower_TWD, mixed_TDR).add_(tower_TW1)
        ctx.save_for_backward(
            first_OR, hidden_EHR, normal_EDR, inverse_E1R, scaled_EDR, expert_EDR, gate_TER, mixed_TDR, tower_TWR,
            expert_EDH, scale_ED1, tower_TWD,
        )  # fmt: skip
        return functional.silu(tower_TWR), linear_KR.clone()

    @staticmethod
    def backward(ctx: Any, out_TWR: Tensor, linear_KR: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (
            first_OR, hidden_EHR, normal_EDR, inverse_E1R, scaled_EDR, expert_EDR, gate_TER, mixed_TDR, tower_TWR,
            expert_EDH, scale_ED1, tower_TWD,
        ) = ctx.saved_tensors  # fmt: skip
        d_first_OR = torch.empty_like(first_OR)
        num_hidden, num_gates = expert_EDH.shape[0] * expert_EDH.shape[2], gate_TER.shape[0] * gate_TER.shape[1]
        d_hidden_OR, d_gate_OR, d_linear_KR = torch.split(d_first_OR, [num_hidden, num_gates, len(linear_KR)])
        d_linear_KR.copy_(linear_KR)
        d_tower_TWR = _silu_gradient(out_TWR, tower_TWR)
        d_mixed_TDR = torch.bmm(tower_TWD.transpose(1, 2), d_tower_TWR)
        d_expert_EDR, d_share_TER = _unmix(d_mixed_TDR, gate_TER, expert_EDR)
        d_logit_TER = gate_TER * (d_share_TER - (d_share_TER * gate_TER).sum(1, keepdim=True))
        d_gate_OR.copy_(d_logit_TER.flatten(0, 1))
        d_scaled_EDR = _silu_gradient(d_expert_EDR, scaled_EDR)
        d_scale_ED1 = (d_scaled_EDR * normal_EDR).sum(2, keepdim=True)
        d_shift_ED1 = d_scaled_EDR.sum(2, keepdim=True)
        d_normal_EDR = d_scaled_EDR.mul_(scale_ED1)
        along_E1R = (d_normal_EDR * normal_EDR).mean(1, keepdim=True)
        d_output_EDR = d_normal_EDR.addcmul_(normal_EDR, along_E1R, value=-1).mul_(inverse_E1R)
        d_hidden_EHR = torch.bmm(expert_EDH.transpose(1, 2), d_output_EDR)
        d_hidden_OR.copy_(_silu_gradient(d_hidden_EHR.flatten(0, 1), first_OR[:num_hidden]))
        return (
            d_first_OR,
            None,
            torch.bmm(d_output_EDR, hidden_EHR.transpose(1, 2)),
            d_output_EDR.sum(2, keepdim=True),
            d_scale_ED1,
            d_shift_ED1,
            torch.bmm(d_tower_TWR, mixed_TDR.transpose(1, 2)),
            d_tower_TWR.sum(2, keepdim=True),
        )


def _unmix(d_mixed_TDR: Tensor, gate_TER: Tensor, expert_EDR: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of the experts and of their shares."""
    d_expert_EDR, d_share_TER = torch.empty_like(expert_EDR), torch.empty_like(gate_TER)
    for e, d_expert_DR in enumerate(d_expert_EDR):
        torch.mul(d_mixed_TDR[0], gate_TER[0, e], out=d_expert_DR)
        for t in range(1, len(gate_TER)):
            d_expert_DR.addcmul_(d_mixed_TDR[t], gate_TER[t, e])
        torch.sum(d_mixed_TDR * expert_EDR[e], 1, out=d_share_TER[:, e])
    return d_expert_EDR, d_share_TER


def _silu_gradient(gradient: Tensor, value: Tensor) -> Tensor:
    return torch.ops.aten.silu_backward(gradient, value)  # type: ignore[no-any-return]
