"""Factors of items as they are served on a CPU (taste_kernel.py), compiled: nearly every list brings a few new items.

The same numbers as the kernel's torch form, to rounding (tested). That takes about a hundred calls however few the
items are, so the first items of a list cost milliseconds; here an item costs some microseconds.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from models.content import VALUE_BITS, Content
from models.vector_math import FAST, silu32

if TYPE_CHECKING:
    from models.taste_kernel import TasteKernel

__all__ = ["KernelPlan", "factors_of"]

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
# As torch has them: the least length of a field, and of a vector.
_MIN_LENGTH, _MIN_NORM = np.float32(1e-6), np.float32(1e-12)


class KernelPlan(NamedTuple):
    """A kernel's weights as they are. F fields, V values, W columns, K inputs of the learned part, D numbers.

    `start_F`: first column of a field. `root_W`: root of the weight of each column that is not learned. `code_K`
    ascending, and `input_K`: the input that each stands for. `hidden_KH`: by input, numbers and vectors after the
    values.
    """

    code_V: Int64
    idf_V: Float32
    direction_VW: Float32
    width_F: Int64
    start_F: Int64
    rare_idf_F: Float32
    root_W: Float32
    frequency_R: Float32
    num_numbers: int
    vector_width: Int64
    code_K: Int64
    input_K: Int64
    hidden_KH: Float32
    hidden_bias_H: Float32
    out_LH: Float32
    out_bias_L: Float32

    @classmethod
    @torch.no_grad()
    def of(cls, kernel: "TasteKernel") -> "KernelPlan":
        """From the kernel as it is."""
        basis, learned = kernel.basis, kernel.learned
        code_K, input_K = learned.code_K.sort()
        groups_W = kernel.column_groups()[: -len(learned.out.bias)]
        return cls(
            code_V=basis.code_V.numpy(),
            idf_V=basis.idf_V.numpy(),
            direction_VW=basis.direction_VW.numpy(),
            width_F=basis.width_F.numpy(),
            start_F=(basis.width_F.cumsum(0) - basis.width_F).numpy(),
            rare_idf_F=basis.rare_idf_F.numpy(),
            root_W=kernel.weights()[groups_W].sqrt().numpy(),
            frequency_R=kernel.frequency_R.numpy(),
            num_numbers=len(kernel.schema.number_fields),
            vector_width=np.array(kernel.schema.vector_widths, np.int64),
            code_K=code_K.numpy(),
            input_K=input_K.numpy(),
            hidden_KH=learned.hidden.weight.T.contiguous().numpy(),
            hidden_bias_H=learned.hidden.bias.detach().numpy(),
            out_LH=learned.out.weight.detach().numpy(),
            out_bias_L=learned.out.bias.detach().numpy(),
        )


def factors_of(plan: KernelPlan, content: Content, dense_MD: torch.Tensor) -> torch.Tensor:
    """float32[M, W + L] of items. `dense_MD`: their numbers and vectors, normalised."""
    factor_MW = np.zeros((content.num_items, len(plan.root_W) + len(plan.out_bias_L)), np.float32)
    values, items = content.value_V.numpy(), content.item_V.numpy()
    _add_fields(plan, values, items, factor_MW)
    _add_dense(plan, content.dense_MD.numpy(), dense_MD.numpy(), factor_MW)
    _add_learned(plan, values, items, dense_MD.numpy(), factor_MW)
    return torch.from_numpy(factor_MW)


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _add_fields(plan: KernelPlan, value_V: Int64, item_V: Int64, factor_MW: Float32) -> None:
    """The blocks of fields: sums of their values' directions, over the length of the field's TF-IDF."""
    square_MF = np.zeros((len(factor_MW), len(plan.width_F)), np.float32)
    for v in range(len(value_V)):
        item, field = item_V[v], value_V[v] >> VALUE_BITS
        place = np.searchsorted(plan.code_V, value_V[v])
        if place < len(plan.code_V) and plan.code_V[place] == value_V[v]:
            square_MF[item, field] += plan.idf_V[place] * plan.idf_V[place]
            block = factor_MW[item, plan.start_F[field] : plan.start_F[field] + plan.width_F[field]]
            direction = plan.direction_VW[place]
            for w in range(len(block)):
                block[w] += direction[w]
        else:
            square_MF[item, field] += plan.rare_idf_F[field] * plan.rare_idf_F[field]
    for item in range(len(factor_MW)):
        for field in range(len(plan.width_F)):
            length = max(np.sqrt(square_MF[item, field]), _MIN_LENGTH)
            for w in range(plan.start_F[field], plan.start_F[field] + plan.width_F[field]):
                factor_MW[item, w] *= plan.root_W[w] / length


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _add_dense(plan: KernelPlan, dense_MD: Float32, normal_MD: Float32, factor_MW: Float32) -> None:
    """Random Fourier features of numbers, vectors at length 1, and the constant; nothing where a number is missing."""
    num, first = len(plan.frequency_R), plan.width_F.sum()
    scale = _ONE / np.float32(math.sqrt(num))
    for item in range(len(factor_MW)):
        row, column = factor_MW[item], first
        for d in range(plan.num_numbers):
            if np.isfinite(dense_MD[item, d]):
                for r in range(num):
                    angle = normal_MD[item, d] * plan.frequency_R[r]
                    row[column + r] = math.cos(angle) * scale * plan.root_W[column + r]
                    row[column + num + r] = math.sin(angle) * scale * plan.root_W[column + num + r]
            column += 2 * num
        d = plan.num_numbers
        for width in plan.vector_width:
            square = _ZERO
            for w in range(width):
                if np.isfinite(dense_MD[item, d + w]):
                    row[column + w] = dense_MD[item, d + w]
                    square += row[column + w] * row[column + w]
            length = max(np.sqrt(square), _MIN_NORM)
            for w in range(width):
                row[column + w] *= plan.root_W[column + w] / length
            column, d = column + width, d + width
        row[column] = plan.root_W[column]


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _add_learned(plan: KernelPlan, value_V: Int64, item_V: Int64, normal_MD: Float32, factor_MW: Float32) -> None:
    """The small net over the values that divide the items best, and the numbers."""
    num_values, first = len(plan.code_K), len(plan.root_W)
    hidden_MH = np.empty((len(factor_MW), len(plan.hidden_bias_H)), np.float32)
    hidden_MH[:] = plan.hidden_bias_H
    is_present_MK = np.zeros((len(factor_MW), num_values), np.bool_)
    for v in range(len(value_V)):
        item, place = item_V[v], np.searchsorted(plan.code_K, value_V[v])
        is_input = place < num_values and plan.code_K[place] == value_V[v]
        if is_input and not is_present_MK[item, place]:
            is_present_MK[item, place] = True
            _add_row(hidden_MH[item], _ONE, plan.hidden_KH[plan.input_K[place]])
    for item in range(len(factor_MW)):
        hidden_H = hidden_MH[item]
        for d in range(normal_MD.shape[1]):
            _add_row(hidden_H, normal_MD[item, d], plan.hidden_KH[num_values + d])
        for h in range(len(hidden_H)):
            hidden_H[h] = silu32(hidden_H[h])
        for column in range(len(plan.out_bias_L)):
            total = plan.out_bias_L[column]
            for h in range(len(hidden_H)):
                total += plan.out_LH[column, h] * hidden_H[h]
            factor_MW[item, first + column] = total


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _add_row(to_H: Float32, times: np.float32, what_H: Float32) -> None:
    for h in range(len(to_H)):
        to_H[h] += times * what_H[h]
