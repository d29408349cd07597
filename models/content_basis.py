"""What items have in common, as short vectors: the strongest directions of each field's TF-IDF, by truncated SVD.

The inner product of two items' blocks of a field approximates the cosine of their TF-IDF vectors, so any number of
values costs the same few columns (K = Phi Phi'). The basis is counted, not learned: it is fitted between two versions
to items seen so far (content_corpus.py), and frozen with the version. On RankLens, 256 columns chosen so rank like the
exact kernel within .002 NDCG; as many random projections lose .008.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.content import VALUE_BITS, Content

__all__ = ["ContentBasis", "FieldBasis"]


@dataclass(frozen=True, slots=True)
class FieldBasis:
    """One field. `code_V` int64, ascending: the values known; `idf_V` float32; `direction_VD` float32, IDF included.

    `rare_idf`: of a value that is not known.
    """

    code_V: Tensor
    idf_V: Tensor
    direction_VD: Tensor
    rare_idf: float


class ContentBasis(nn.Module):
    """Blocks of fields from content. Nothing is known before the first `set_fields`: all blocks are zero wide.

    `code_V`, `idf_V`, `direction_VW`: all fields' values in order of code; a value's direction fills the columns of its
    field. `width_F`: columns of each field.
    """

    code_V: Tensor
    idf_V: Tensor
    direction_VW: Tensor
    width_F: Tensor
    rare_idf_F: Tensor

    def __init__(self, num_fields: int) -> None:
        super().__init__()
        self.num_fields = num_fields
        self.register_buffer("code_V", torch.empty(0, dtype=torch.int64))
        self.register_buffer("idf_V", torch.empty(0))
        self.register_buffer("direction_VW", torch.empty(0, 0))
        self.register_buffer("width_F", torch.zeros(num_fields, dtype=torch.int64))
        self.register_buffer("rare_idf_F", torch.ones(num_fields))

    @property
    def width(self) -> int:
        """Columns of all blocks."""
        return int(self.width_F.sum())

    def field_columns(self) -> Tensor:
        """int64[width]: the field of each column."""
        return torch.repeat_interleave(torch.arange(self.num_fields, device=self.width_F.device), self.width_F)

    def set_fields(self, fields: list[FieldBasis]) -> None:
        """Replaces the basis."""
        device = self.code_V.device
        widest = max((one.direction_VD.shape[1] for one in fields), default=0)
        padded = [functional.pad(one.direction_VD, (0, widest - one.direction_VD.shape[1])) for one in fields]
        self.code_V = torch.cat([one.code_V for one in fields]).to(device)
        self.idf_V = torch.cat([one.idf_V for one in fields]).to(device)
        self.direction_VW = torch.cat(padded).to(device)
        self.width_F = torch.tensor([one.direction_VD.shape[1] for one in fields], device=device)
        self.rare_idf_F = torch.tensor([one.rare_idf for one in fields], device=device)

    @torch.no_grad()
    def forward(self, content: Content) -> Tensor:
        """float32[M, width]: the blocks of all fields side by side, each at most of length 1."""
        num_items, known = content.num_items, len(self.code_V)
        if not known or not num_items:
            return torch.zeros(num_items, self.width, device=content.id_M.device)
        field_V = content.value_V >> VALUE_BITS
        place_V = torch.searchsorted(self.code_V, content.value_V).clamp(max=known - 1)
        is_known_V = self.code_V[place_V] == content.value_V
        idf_V = torch.where(is_known_V, self.idf_V[place_V], self.rare_idf_F[field_V])
        cell_V = content.item_V * self.num_fields + field_V
        squares = torch.zeros(num_items * self.num_fields, device=idf_V.device).index_add_(0, cell_V, idf_V.square())
        length_MF = squares.view(num_items, self.num_fields).sqrt().clamp(min=1e-6)
        blocks = [self._block(content, field, place_V, is_known_V & (field_V == field)) for field in self._used()]
        lengths = [length_MF[:, field : field + 1] for field in self._used()]
        return torch.cat([block / length for block, length in zip(blocks, lengths, strict=True)], 1)

    def _used(self) -> list[int]:
        return [field for field, width in enumerate(self.width_F.tolist()) if width]

    def _block(self, content: Content, field: int, place_V: Tensor, is_of_field_V: Tensor) -> Tensor:
        width = int(self.width_F[field])
        rows = self.direction_VW[:, :width].index_select(0, place_V[is_of_field_V])
        block = torch.zeros(content.num_items, width, device=rows.device)
        return block.index_add_(0, content.item_V[is_of_field_V], rows)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Sizes are those of what is loaded: they differ from version to version."""
        for name in ("code_V", "idf_V", "direction_VW"):
            found = state_dict.get(prefix + name)
            if found is not None:
                setattr(self, name, torch.empty_like(found, device=self.code_V.device))
        super()._load_from_state_dict(state_dict, prefix, *args)
