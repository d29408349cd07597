"""Weights that make it unbiased to learn a task before its labels are final, when a 0 may still turn into a 1.

A row is learned at once with what is known; each positive that comes later is learned once more, as a row of its own
with weight 1. If p is the chance of a positive, a row that entered as negative with weight 1 - p has the expected loss
(1 - p) l0 + p l1, as if the final label had been known. That is fake negative weighting (Ktena 2019, w+ = 1 + p,
w- = (1 - p)(1 + p)) without its factor 1 + p, which only weighs rows by their chance. p is
the model's own: the fixed point of (1 - p) q = p* (1 - q) with q = p is the true chance p*. Of positives that are known
when the row enters, a share F of all, negatives know nothing: the end is then p / (1 - p F), off by a share below p.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from models.batch import Batch
from models.targets import Targets

__all__ = ["late_weights", "weighed"]


def late_weights(y_N: Tensor, p_N: Tensor, is_early_N: Tensor) -> Tensor:
    """float[N]: 1 - p for negatives that are not final, 1 for the rest. `p_N`: the model's own chance, no gradient."""
    return torch.where(is_early_N & (y_N <= 0), 1 - p_N, 1.0)


@torch.no_grad()
def weighed(batch: Batch, targets: Mapping[str, Targets], logits: Mapping[str, Tensor]) -> dict[str, Targets]:
    """The targets with these weights, by the model's own `logits` of the same rows."""
    found = dict(targets)
    for task, is_early_N in batch.is_early.items():
        weight_N = late_weights(batch.y[task], logits[task].sigmoid(), is_early_N)
        found[task] = replace(targets[task], weight_N=targets[task].weight_N * weight_N)
    return found
