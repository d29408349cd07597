"""The kinds of things that can stand in a list, and which of them a row is, as its features say."""

import torch
from torch import Tensor

from models.feature_schema import FeatureSchema

__all__ = ["NUM_KINDS", "kinds"]

NUM_KINDS = 3  # product, coupon, ad


def kinds(schema: FeatureSchema, item_NI: Tensor) -> Tensor:
    """int64[N]: 0 product, 1 coupon, 2 ad; a product where the features are missing."""
    names = schema.item
    coupon, ad = (names.index(name) for name in ("is_coupon", "is_ad"))
    is_ad_N = item_NI[:, ad] > 0
    return torch.where(is_ad_N, 2, ((item_NI[:, coupon] > 0) & ~is_ad_N).long())
