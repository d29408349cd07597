"""Whether tasks pull the shared layer the same way: cosines between their gradients. A diagnosis, no correction."""

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor

__all__ = ["gradient_cosines"]


def gradient_cosines(losses: Mapping[str, Tensor], weight: Tensor, num_shared: int) -> dict[str, float]:
    """`"task/task"` -> cosine of the gradients on the first `num_shared` rows of `weight`, which all tasks use.

    Losses without a gradient there are left out.

    Costs one backward pass a task, and keeps the graph for the step itself.
    """
    gradients = {}
    for name, loss in losses.items():
        found = torch.autograd.grad(loss, weight, retain_graph=True, materialize_grads=True)[0][:num_shared].flatten()
        norm = float(found.norm())
        if 0 < norm < float("inf"):
            gradients[name] = found / norm
    return {f"{a}/{b}": float(gradients[a] @ gradients[b]) for a, b in combinations(gradients, 2)}
