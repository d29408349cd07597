"""Chances down a chain of tasks: P(cart) = P(click) x P(cart | click), in logits, so that nothing over- or underflows.

A task learned on all impressions as a product (ESMM) leaves what it is given alone: the gradient stops there. Click
labels alone teach clicks, so a shop without carts cannot push clicks down, and a cart without a click raises P(cart |
click) of its row, not the click that did not happen.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from models.tasks import Task

__all__ = ["chained", "product_logit"]


def product_logit(logit_N: Tensor, given_N: Tensor) -> Tensor:
    """float[N]: the logit of sigmoid(logit) x sigmoid(given).

    1 / (p q) - 1 = e^-a + e^-b + e^-(a + b), and the logit is minus its logarithm: exact, and its gradients are in
    [0, 1], wherever a and b are.
    """
    return -torch.stack([-logit_N, -given_N, -(logit_N + given_N)]).logsumexp(0)


def chained(tasks: Sequence[Task], logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Logits of the heads in, logits of the tasks out: those of products are of the whole chain down to the task.

    Tasks over given rows keep their own, which hold given that task.
    """
    found: dict[str, Tensor] = {}
    for task in tasks:
        given = task.given if task.is_product else None
        logit = logits[task.name]
        found[task.name] = logit if given is None else product_logit(logit, found[given].detach())
    return found
