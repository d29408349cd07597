"""Rows of a batch before the net: features normalised, tastes solved, so that some of them can be asked again."""

from typing import NamedTuple

from torch import Tensor

from models.inputs import RankerInputs
from models.item_side import ItemSide
from models.taste import TasteState

__all__ = ["PreparedRows"]


class PreparedRows(NamedTuple):
    """N rows. `side`: of the content that they refer to. `taste`: what the users like; None where nothing is known.

    `rows_NF`: inputs of the first layer, see `Ranker.rows`.
    """

    inputs: RankerInputs
    side: ItemSide
    taste: TasteState | None
    rows_NF: Tensor
