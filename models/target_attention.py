"""What a user's last actions say of an item: attention of the item over them by dot product, pooled into one vector.

Without a softmax, as in DIN (Zhou 2018, section 4.3): actions that fit the item add up, and none that fits leaves
nearly nothing. Items are seen through hashed values, which no refit of the content moves (hashed_values.py).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.content import NO_ITEM, Content
from models.feature_schema import EVENT_KINDS
from models.hashed_values import HASHED_WIDTH, hashed_values
from models.inputs import History

__all__ = ["TargetAttention"]

# Same content has a weight of .88 before anything is learned, other content .12.
SHARPNESS_START, THRESHOLD_START = 4.0, 0.5
# At first an action has half its weight after nine hours, a quarter after four days.
AGE_UNIT_S, DECAY_START = 3600.0, 0.3


class TargetAttention(nn.Module):
    """Vectors A wide. Queries and keys start alike, so that at first an action fits an item as their contents do."""

    def __init__(self, width: int, num_fields: int) -> None:
        super().__init__()
        start_DA = torch.empty(HASHED_WIDTH, width)
        nn.init.orthogonal_(start_DA)
        self.query_DA = nn.Parameter(start_DA.clone())
        self.key_DA = nn.Parameter(start_DA)
        self.weight_F = nn.Parameter(torch.ones(num_fields))
        self.kind_bias_KA = nn.Parameter(torch.zeros(len(EVENT_KINDS), width))
        self.decay_bias_K = nn.Parameter(torch.full((len(EVENT_KINDS),), DECAY_START).expm1().log())
        self.sharpness_bias = nn.Parameter(torch.tensor(SHARPNESS_START))
        self.threshold_bias = nn.Parameter(torch.tensor(THRESHOLD_START))

    def of_items(self, content: Content) -> Tensor:
        """float32[M, 2 A]: queries, then keys, of the items alone; each 0 for an item without values."""
        values_MD = hashed_values(content, self.weight_F)
        return torch.cat([values_MD @ self.query_DA, values_MD @ self.key_DA], 1)

    def forward(self, item_MA: Tensor, history: History, content_N: Tensor, slate_N: Tensor) -> Tensor:
        """float[N, A]: for a row n of slate s, sum_h w_nh (k_h + kind_h) / (1 + sum_h d_h) over its user's actions h.

        d_h = (1 + age / 1 h)^-rate by kind; w_nh = d_h sigmoid(sharpness (q_n . k_h - threshold)). 0 without actions.
        """
        action_SH = history.action_SH
        width = item_MA.shape[1] // 2
        if not action_SH.shape[1] or not len(item_MA):
            return item_MA.new_zeros(len(content_N), width)
        is_action_SH = action_SH != NO_ITEM
        query_MA, key_MA = torch.split(item_MA, width, dim=1)
        key_SHA = _rows(key_MA, action_SH)
        rate_SH = functional.softplus(self.decay_bias_K)[history.action_kind_SH]
        decay_SH = (1 + history.action_age_s_SH.clamp(min=0) / AGE_UNIT_S).pow(-rate_SH) * is_action_SH
        places = _Places(slate_N, len(action_SH))
        query_SRA = places.spread(_rows(query_MA, content_N))
        fit_SRH = (query_SRA @ key_SHA.transpose(1, 2) - self.threshold_bias) * self.sharpness_bias
        weight_SRH = fit_SRH.sigmoid() * decay_SH.unsqueeze(1)
        pooled_SRA = weight_SRH @ (key_SHA + self.kind_bias_KA[history.action_kind_SH])
        return places.gather(pooled_SRA / (1 + decay_SH.sum(1))[:, None, None])


class _Places:
    """Rows beside each other by slate, so that a slate's actions meet all its rows in one product."""

    def __init__(self, slate_N: Tensor, num_slates: int) -> None:
        order = slate_N.argsort(stable=True)
        size_S = torch.bincount(slate_N, minlength=num_slates)
        start_S = size_S.cumsum(0) - size_S
        place_N = torch.arange(len(slate_N), device=slate_N.device) - start_S[slate_N[order]]
        self._shape = num_slates, int(size_S.max()) if len(size_S) else 0
        self._cell_N = slate_N * self._shape[1] + torch.empty_like(place_N).scatter_(0, order, place_N)

    def spread(self, values_NA: Tensor) -> Tensor:
        """float[S, R, A], 0 where a slate has fewer rows than the longest."""
        cells = values_NA.new_zeros(self._shape[0] * self._shape[1], values_NA.shape[1])
        return cells.index_copy(0, self._cell_N, values_NA).view(*self._shape, -1)

    def gather(self, values_SRA: Tensor) -> Tensor:
        """float[N, A]: back to rows."""
        return values_SRA.flatten(0, 1).index_select(0, self._cell_N)


def _rows(values_MA: Tensor, place: Tensor) -> Tensor:
    """Of items by their number in the content; 0 for NO_ITEM."""
    found = values_MA.index_select(0, place.clamp(min=0).flatten()).view(*place.shape, values_MA.shape[1])
    return found * (place != NO_ITEM).unsqueeze(-1)
