"""How alike two items are, to someone who answered one: a kernel in factor form, k(i, j) = phi(i) . phi(j).

Blocks of columns, each with a learned weight: the declared fields (content_basis.py), a radial kernel of every declared
number (random Fourier features, Rahimi and Recht 2007, at fixed frequencies), every declared vector, and a constant:
how generous the user is. The same item again is alike beyond its content: a weight of its own, where ids are equal.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.content import Content
from models.content_basis import ContentBasis
from models.feature_schema import FeatureSchema
from models.kernel_serving import KernelPlan, factors_of
from models.learned_kernel import LEARNED_WIDTH, LearnedKernel
from models.normaliser import Normaliser

__all__ = ["TasteKernel"]

# Length scale of the numbers' kernel in standard deviations, and the quantiles of |normal| that stand for its spectrum.
NUMBER_SCALE = 0.7
NUMBER_FREQUENCIES = (0.157, 0.489, 0.887, 1.534)
# First weights, measured as those that a stream arrives at: fields say most, numbers little (models.md 11.5).
FIELD_START, NUMBER_START, VECTOR_START, CONST_START, IDENTITY_START = 0.5, 0.05, 0.5, 0.3, 0.7


class TasteKernel(nn.Module):
    """Factors of items, and what their columns mean. Weights are kept as the inverse of softplus: always above 0."""

    frequency_R: Tensor

    def __init__(self, schema: FeatureSchema) -> None:
        super().__init__()
        self.schema = schema
        self.basis = ContentBasis(len(schema.content))
        self.dense_norm = Normaliser(len(schema.dense))
        num = len(schema.number_fields)
        self.register_buffer("frequency_R", torch.tensor(NUMBER_FREQUENCIES) / NUMBER_SCALE)
        self.field_raw_F = _raw(len(schema.content), FIELD_START)
        self.number_raw = _raw(num, NUMBER_START)
        self.vector_raw = _raw(len(schema.vector_fields), VECTOR_START)
        self.const_raw = _raw(1, CONST_START)
        self.identity_raw = _raw(1, IDENTITY_START)
        self.learned = LearnedKernel(len(schema.dense))
        self._frozen: KernelPlan | None = None

    def freeze(self) -> None:
        """To serve on a CPU: nothing will be learned or loaded any more."""
        self.dense_norm.freeze()
        self._frozen = KernelPlan.of(self)

    @property
    def groups(self) -> tuple[str, ...]:
        """What can make items alike, by weight: fields, numbers, vectors, `anything`, `learned`, `same_item`."""
        schema = self.schema
        return (*schema.content, *schema.number_fields, *schema.vector_fields, "anything", "learned", "same_item")

    def weights(self) -> Tensor:
        """float[G]: weight of each group. 1 for what is learned, whose scale is its own."""
        raw = torch.cat([self.field_raw_F, self.number_raw, self.vector_raw, self.const_raw, self.identity_raw])
        weight = functional.softplus(raw)
        return torch.cat([weight[:-1], torch.ones_like(weight[:1]), weight[-1:]])

    @property
    def identity(self) -> Tensor:
        """Weight of being the same item, [1]."""
        return functional.softplus(self.identity_raw)

    def column_groups(self) -> Tensor:
        """int64[W]: the group of each column of the factors."""
        device = self.frequency_R.device
        first = len(self.schema.content)
        widths = [2 * len(NUMBER_FREQUENCIES)] * len(self.schema.number_fields) + [
            *self.schema.vector_widths,
            1,
            LEARNED_WIDTH,
        ]
        rest = torch.arange(first, first + len(widths), device=device)
        return torch.cat([self.basis.field_columns(), rest.repeat_interleave(torch.tensor(widths, device=device))])

    def forward(self, content: Content) -> Tensor:
        """float32[M, W]: factors of items."""
        if self._frozen is not None:
            return factors_of(self._frozen, content, self.dense_norm(content.dense_MD))
        groups = self.column_groups()
        if not content.num_items:
            return torch.zeros(0, len(groups), device=content.id_M.device)
        fixed = self.features(content) * self.weights()[groups[:-LEARNED_WIDTH]].sqrt()
        return torch.cat([fixed, self.learned(content, self.dense_norm(content.dense_MD))], 1)

    @torch.no_grad()
    def features(self, content: Content) -> Tensor:
        """float32[M, W - 16]: the factors that are not learned, before weights; what an item lacks is zero."""
        const = torch.ones(content.num_items, 1, device=content.id_M.device)
        return torch.cat([self.basis(content), *self._numbers(content), *self._vectors(content), const], 1)

    def _numbers(self, content: Content) -> list[Tensor]:
        num, scale = len(self.schema.number_fields), 1 / math.sqrt(len(NUMBER_FREQUENCIES))
        number_MN = self.dense_norm(content.dense_MD)[:, :num]
        is_known_MN = torch.isfinite(content.dense_MD[:, :num])
        blocks = []
        for column_M, is_known_M in zip(number_MN.unbind(1), is_known_MN.unbind(1), strict=True):
            angle_MR = column_M.unsqueeze(1) * self.frequency_R
            block = torch.cat([angle_MR.cos(), angle_MR.sin()], 1) * scale
            blocks.append(block * is_known_M.unsqueeze(1))
        return blocks

    def _vectors(self, content: Content) -> list[Tensor]:
        start = len(self.schema.number_fields)
        ends = [start]
        for width in self.schema.vector_widths:
            ends.append(ends[-1] + width)
        parts = [content.dense_MD[:, a:b] for a, b in pairwise(ends)]
        return [functional.normalize(torch.where(torch.isfinite(part), part, 0.0), dim=1) for part in parts]


def _raw(num: int, start: float) -> nn.Parameter:
    """`num` weights that begin at `start`."""
    return nn.Parameter(torch.full((num,), math.log(math.expm1(start))))
