"""Inputs of the first layer beside the captured features: the item's id vector, and attention over recent actions.

Either may be left out, and both are by default: its width is then zero, and the ranker is the one it was without it.
"""

import torch
from torch import Tensor, nn

from models.content import Content
from models.id_table import IdTable
from models.inputs import RankerInputs
from models.item_side import ItemSide
from models.ranker_config import RankerConfig
from models.target_attention import TargetAttention

__all__ = ["LearnedColumns"]


class LearnedColumns(nn.Module):
    """`widths`: columns beside those of the item (W) and of the pair (A)."""

    def __init__(self, config: RankerConfig, num_fields: int) -> None:
        super().__init__()
        self.widths = config.id_width if config.id_rows else 0, config.attention_width
        self.ids = IdTable(config.id_rows, config.id_width, num_fields) if self.widths[0] else None
        self.attention = TargetAttention(config.attention_width, num_fields) if self.widths[1] else None

    def of_items(self, content: Content) -> tuple[Tensor, Tensor]:
        """float32[M, W], float32[M, 2 A]: what depends on items alone."""
        nothing_M0 = torch.zeros(content.num_items, 0, device=content.id_M.device)
        return (
            nothing_M0 if self.ids is None else self.ids(content),
            nothing_M0 if self.attention is None else self.attention.of_items(content),
        )

    def beside_item(self, item_NI: Tensor, side: ItemSide, content_N: Tensor, probe_NW: Tensor | None = None) -> Tensor:
        """float[N, I + W]: the id vector beside the item's normalised features. `probe_NW`: added to the vectors."""
        if self.ids is None:
            return item_NI
        id_NW = side.ids(content_N)
        return torch.cat([item_NI, id_NW if probe_NW is None else id_NW + probe_NW], 1)

    def attended(self, inputs: RankerInputs, side: ItemSide) -> Tensor:
        """float[N, A]: what the users' last actions say of the rows; zero wide without attention."""
        if self.attention is None:
            return inputs.cross_NX.new_zeros(len(inputs.cross_NX), 0)
        found: Tensor = self.attention(side.attention_MA, inputs.history, inputs.content_N, inputs.slate_N)
        return found
