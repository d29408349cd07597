"""Rows of a batch before the net: features normalised, tastes solved, so that some of them can be asked again."""

from typing import NamedTuple

from torch import Tensor

from models.inputs import RankerInputs
from models.item_side import ItemSide
from models.taste import TasteState

__all__ = ["PreparedRows", "Rows"]

# Inputs of the first layer, float[N, F] each: the items' part and the pairs'.
Rows = tuple[Tensor, Tensor]


class PreparedRows(NamedTuple):
    """N rows. `side`: of the content that they refer to. `taste`: what the users like; None where nothing is known."""

    inputs: RankerInputs
    side: ItemSide
    taste: TasteState | None
    rows: Rows
