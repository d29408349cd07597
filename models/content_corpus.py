"""A sample of the items seen, and the content basis fitted to it.

The sample is the items with the smallest hashes: uniform, the same whatever the order, and without a generator. The fit
is a randomised truncated SVD (Halko, Martinsson, Tropp 2011) of each field's TF-IDF; the columns of the basis go to the
directions with the most weight over all fields, so that a field that says little gets few.
"""

import math

import torch
from torch import Tensor

from models.content import VALUE_BITS, Content
from models.content_basis import FieldBasis

__all__ = ["ContentCorpus"]

MAX_ITEMS = 20_000
# Values of a field that can have a direction: the most frequent that two items share.
MAX_VALUES = 8192
# Directions of a field that compete for columns.
MAX_DIRECTIONS = 128
OVERSAMPLED, POWER_STEPS = 8, 2
# A fit is due when so many times as many items were seen as at the last.
GROWTH, MIN_ITEMS = 1.25, 32


class ContentCorpus:
    """Items by hash with their values. `num_fitted`: items at the last fit."""

    def __init__(self, num_fields: int) -> None:
        self.num_fields = num_fields
        self.id_M = torch.empty(0, dtype=torch.int64)
        self.size_M = torch.empty(0, dtype=torch.int64)
        self.value_V = torch.empty(0, dtype=torch.int64)
        self.num_fitted = 0

    def observe(self, content: Content) -> None:
        """Takes items not seen before; an item's first content stays."""
        ids = content.id_M.cpu()
        place = torch.searchsorted(self.id_M, ids).clamp(max=max(len(self.id_M) - 1, 0))
        is_new = self.id_M[place] != ids if len(self.id_M) else torch.ones_like(ids, dtype=torch.bool)
        if not bool(is_new.any()):
            return
        size_M = torch.bincount(content.item_V.cpu(), minlength=content.num_items)
        start_M = size_M.cumsum(0) - size_M
        fresh, first = _first_places(ids[is_new], torch.nonzero(is_new).squeeze(1))
        order = torch.argsort(content.item_V.cpu(), stable=True)
        values = content.value_V.cpu()[order]
        self._merge(fresh, size_M[first], _segments(values, start_M[first], size_M[first]))

    def _merge(self, id_M: Tensor, size_M: Tensor, value_V: Tensor) -> None:
        ids, sizes = torch.cat([self.id_M, id_M]), torch.cat([self.size_M, size_M])
        values, starts = torch.cat([self.value_V, value_V]), sizes.cumsum(0) - sizes
        kept = torch.argsort(ids)[:MAX_ITEMS]
        self.id_M, self.size_M = ids[kept], sizes[kept]
        self.value_V = _segments(values, starts[kept], self.size_M)

    @property
    def is_fit_due(self) -> bool:
        """Whether the sample has outgrown the last fit."""
        return len(self.id_M) >= max(MIN_ITEMS, GROWTH * self.num_fitted)

    def telling_values(self) -> Tensor:
        """int64[V]: values by how well they divide the items, best first: c log(M / c) of a value that c of M have."""
        code_V, count_V = torch.unique(self.value_V, return_counts=True)
        worth_V = count_V * (math.log(max(len(self.id_M), 1)) - count_V.log())
        order = torch.argsort(worth_V, descending=True, stable=True)
        return torch.index_select(code_V, 0, order[count_V[order] > 1])

    def fit(self, weight_F: Tensor, num_columns: int) -> list[FieldBasis]:
        """A basis of at most `num_columns` for all fields; `weight_F` says what a field's direction is worth."""
        self.num_fitted = len(self.id_M)
        item_V = torch.repeat_interleave(torch.arange(len(self.id_M)), self.size_M)
        found = [self._decompose(field, item_V) for field in range(self.num_fields)]
        strength = [weight * one[1].square() for weight, one in zip(weight_F.tolist(), found, strict=True)]
        best = torch.argsort(torch.cat(strength), descending=True, stable=True)[:num_columns]
        owner = torch.repeat_interleave(torch.arange(self.num_fields), torch.tensor([len(s) for s in strength]))
        widths = torch.bincount(owner[best], minlength=self.num_fields).tolist()
        return [
            FieldBasis(basis.code_V, basis.idf_V, basis.direction_VD[:, :width].contiguous(), basis.rare_idf)
            for (basis, _), width in zip(found, widths, strict=True)
        ]

    def _decompose(self, field: int, item_V: Tensor) -> tuple[FieldBasis, Tensor]:
        """All candidate directions of a field, strongest first, and their singular values."""
        is_of_field = (self.value_V >> VALUE_BITS) == field
        codes, items = self.value_V[is_of_field], item_V[is_of_field]
        code_V, inverse, count_V = torch.unique(codes, return_inverse=True, return_counts=True)
        rare_idf = math.log(max(len(self.id_M), 1)) + 1.0
        idf_V = rare_idf - count_V.log()
        squares = torch.zeros(len(self.id_M)).index_add_(0, items, idf_V[inverse].square())
        entry = idf_V[inverse] / squares.sqrt().clamp(min=1e-6)[items]
        kept = _shared_values(count_V)
        column_V = torch.full_like(code_V, -1)
        column_V[kept] = torch.arange(len(kept))
        is_kept = column_V[inverse] >= 0
        shape = len(self.id_M), len(kept)
        places = torch.stack([items[is_kept], column_V[inverse][is_kept]])
        tfidf = torch.sparse_coo_tensor(places, entry[is_kept], shape, check_invariants=True).coalesce()
        direction_VD, singular_D = _directions(tfidf)
        basis = FieldBasis(code_V[kept], idf_V[kept], direction_VD * idf_V[kept].unsqueeze(1), rare_idf)
        return basis, singular_D

    def state_dict(self) -> dict[str, Tensor]:
        """Everything, as flat named tensors."""
        fitted = torch.tensor(self.num_fitted)
        return {"id_M": self.id_M, "size_M": self.size_M, "value_V": self.value_V, "num_fitted": fitted}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Goes on where `state_dict` was taken."""
        self.id_M, self.size_M, self.value_V = (state[name].cpu() for name in ("id_M", "size_M", "value_V"))
        self.num_fitted = int(state["num_fitted"])


def _first_places(ids: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct ids, ascending, and the first place of each."""
    unique, inverse = torch.unique(ids, return_inverse=True)
    first = torch.full_like(unique, torch.iinfo(torch.int64).max)
    return unique, first.scatter_reduce_(0, inverse, places, "amin")


def _segments(values: Tensor, start_M: Tensor, size_M: Tensor) -> Tensor:
    """The values of segments, one after the other."""
    offset = torch.arange(int(size_M.sum())) - torch.repeat_interleave(size_M.cumsum(0) - size_M, size_M)
    return values[torch.repeat_interleave(start_M, size_M) + offset]


def _shared_values(count_V: Tensor) -> Tensor:
    """Places, ascending, of the most frequent values that at least two items have."""
    order = torch.argsort(count_V, descending=True, stable=True)[:MAX_VALUES]
    return order[count_V[order] > 1].sort().values


def _directions(tfidf: Tensor) -> tuple[Tensor, Tensor]:
    """Right singular vectors float32[V, D] and singular values float32[D], strongest first; fixed seed."""
    num = min(*tfidf.shape, MAX_DIRECTIONS)
    if not num or not tfidf._nnz():  # noqa: SLF001  the only way to ask a sparse tensor
        return torch.empty(tfidf.shape[1], 0), torch.empty(0)
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(tfidf.shape[1], min(num + OVERSAMPLED, *tfidf.shape), generator=generator)
    transposed = tfidf.t().coalesce()
    range_MQ = torch.linalg.qr(torch.sparse.mm(tfidf, probe)).Q
    for _ in range(POWER_STEPS):
        range_VQ = torch.linalg.qr(torch.sparse.mm(transposed, range_MQ)).Q
        range_MQ = torch.linalg.qr(torch.sparse.mm(tfidf, range_VQ)).Q
    small_VQ = torch.sparse.mm(transposed, range_MQ)
    left, singular, _ = torch.linalg.svd(small_VQ, full_matrices=False)
    return left[:, :num], singular[:num]
