"""Gated experts: shared ones and ones owned by groups of tasks (CGC), mixed per task by a softmax gate.

One plan says which task may use which expert; it alone makes the three architectures: `gated` (CGC), `mmoe` (all
experts shared) and `shared_bottom` (one expert). Expert outputs are normalised and use SiLU: without it their scales
drift apart and rare tasks starve (models.md 1.3).
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Architecture", "GatedExperts", "expert_plan"]

Architecture = Literal["gated", "mmoe", "shared_bottom"]


def expert_plan(
    architecture: Architecture,
    tasks: Sequence[str],
    num_shared: int,
    groups: Sequence[Sequence[str]],
) -> list[list[bool]]:
    """bool[T][E]: which experts a task may use.

    With `gated`, each group of tasks owns one expert beside the `num_shared`; tasks that no group names form the last
    group. Raises ValueError when a group names an unknown task or a task is in two groups.
    """
    if architecture == "shared_bottom":
        return [[True] for _ in tasks]
    if architecture == "mmoe":
        return [[True] * num_shared for _ in tasks]
    named = [task for group in groups for task in group]
    if len(set(named)) != len(named) or not set(named) <= set(tasks):
        raise ValueError(f"expert groups {groups} over tasks {tuple(tasks)}; name each known task at most once")
    rest = [task for task in tasks if task not in named]
    owners = [*(set(group) for group in groups), *([set(rest)] if rest else [])]
    return [[True] * num_shared + [task in owner for owner in owners] for task in tasks]


class GatedExperts(nn.Module):
    """From the first layer's outputs to one mixed vector per task.

    The first layer gives the hidden units of all experts, E H, and the gate logits of all tasks, T E: `splits`.
    """

    allowed_TE: Tensor

    def __init__(self, plan: Sequence[Sequence[bool]], hidden: int, width: int) -> None:
        super().__init__()
        self.num_tasks, self.num_experts = len(plan), len(plan[0])
        self.hidden, self.width = hidden, width
        bound = 1 / math.sqrt(hidden)
        self.weight_EHD = nn.Parameter(torch.empty(self.num_experts, hidden, width).uniform_(-bound, bound))
        self.bias_ED = nn.Parameter(torch.empty(self.num_experts, width).uniform_(-bound, bound))
        self.norm_scale_ED = nn.Parameter(torch.ones(self.num_experts, width))
        self.norm_shift_ED = nn.Parameter(torch.zeros(self.num_experts, width))
        self.register_buffer("allowed_TE", torch.tensor(plan, dtype=torch.bool), persistent=False)

    @property
    def splits(self) -> tuple[int, int]:
        """E H, T E."""
        return self.num_experts * self.hidden, self.num_tasks * self.num_experts

    def gates(self, gate_NO: Tensor) -> Tensor:
        """float[T, E, N]: the share of each expert in a task; shares sum to 1, experts not allowed have 0."""
        logits_TEN = torch.unflatten(gate_NO.T.contiguous(), 0, (self.num_tasks, self.num_experts))
        # Rows last: the softmax over a handful of experts is ten times faster so.
        return logits_TEN.masked_fill(~self.allowed_TE.unsqueeze(2), -torch.inf).softmax(1)

    def forward(self, hidden_NO: Tensor, gate_NO: Tensor) -> Tensor:
        """float[T, N, D]."""
        hidden_NEH = torch.unflatten(functional.silu(hidden_NO), 1, (self.num_experts, self.hidden))
        output_END = torch.baddbmm(self.bias_ED.unsqueeze(1), hidden_NEH.transpose(0, 1), self.weight_EHD)
        normed_END = functional.layer_norm(output_END, (self.width,))
        expert_END = functional.silu(normed_END * self.norm_scale_ED.unsqueeze(1) + self.norm_shift_ED.unsqueeze(1))
        # Expert by expert: einsum would make one tiny product per row, and its gradient twice that.
        first, *others = zip(self.gates(gate_NO).unsqueeze(3).unbind(1), expert_END.unbind(0), strict=True)
        mixed_TND = first[0] * first[1]
        for gate_TN1, expert_ND in others:
            mixed_TND = torch.addcmul(mixed_TND, gate_TN1, expert_ND)
        return mixed_TND
