"""Rows of a batch before the net: features normalised, tastes solved, so that some of them can be asked again."""

from typing import NamedTuple

from torch import Tensor

from models.inputs import RankerInputs
from models.item_side import ItemSide
from models.taste import TasteState

__all__ = ["PreparedRows"]


class PreparedRows(NamedTuple):
    """N rows. `side`: of the content that they refer to. `taste`: what the users like; None where nothing is known.

    `user_SO`: the users' part of the first layer; `rows_NF`: its inputs of rows, see `Ranker.rows`.
    """

    inputs: RankerInputs
    side: ItemSide
    taste: TasteState | None
    user_SO: Tensor
    rows_NF: Tensor
