"""The first layer in factored form: W [u; i; x] + b = W_u u + W_i i + W_x x + b, exactly.

The user's product is computed once per slate and the item's can be kept per item and model version, so a row costs
one gather, one small product of its cross features and two additions. Training uses the same module: no skew.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FactoredLinear"]


class FactoredLinear(nn.Module):
    """One linear layer over three inputs, O outputs; `weight_OF` is that of the concatenated form, F = U + I + X."""

    def __init__(self, num_user: int, num_item: int, num_cross: int, num_outputs: int) -> None:
        super().__init__()
        num_features = num_user + num_item + num_cross
        bound = 1 / math.sqrt(num_features)
        self.splits = (num_user, num_item, num_cross)
        self.weight_OF = nn.Parameter(torch.empty(num_outputs, num_features).uniform_(-bound, bound))
        self.bias_O = nn.Parameter(torch.empty(num_outputs).uniform_(-bound, bound))

    def user_part(self, user_SU: Tensor) -> Tensor:
        """float[S, O]: W_u u + b, once per slate."""
        return functional.linear(user_SU, self.weight_OF[:, : self.splits[0]], self.bias_O)

    def item_part(self, item_NI: Tensor) -> Tensor:
        """float[N, O]: W_i i. Depends on the item and the model version alone."""
        num_user, num_item, _ = self.splits
        return functional.linear(item_NI, self.weight_OF[:, num_user : num_user + num_item])

    def cross_part(self, cross_NX: Tensor) -> Tensor:
        """float[N, O]: W_x x."""
        return functional.linear(cross_NX, self.weight_OF[:, sum(self.splits[:2]) :])

    def forward(self, user_SO: Tensor, rows_NF: Tensor, slate_N: Tensor) -> Tensor:
        """float[N, O], from the users' part as `user_part` gave it, and the item's and the cross inputs, F = I + X."""
        return torch.addmm(user_SO.index_select(0, slate_N), rows_NF, self.weight_OF[:, self.splits[0] :].T)
