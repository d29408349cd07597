"""The losses of most steps on a CPU, compiled, each with its gradient: what losses.py and slate_losses.py define.

The same numbers as their tensors give, to rounding (tested). A step has thousands of rows and several tasks, and the
tables that tensors make on the way cost more than the losses themselves. Sums are in float64.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.targets import Targets
from models.vector_math import FAST, exp32, log1p32

__all__ = ["bce_of_rows", "can_compile", "ordinal_of_rows", "pairwise_of_slates"]

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
# A product of doubles that grows beyond this is taken its logarithm of before it overflows.
_LARGE = 1e250


def can_compile(scores: Tensor) -> bool:
    """Whether the compiled forms take these scores."""
    return scores.device.type == "cpu" and scores.dtype == torch.float32


def bce_of_rows(logits_N: Tensor, targets: Targets) -> Tensor:
    """`losses.bce`."""
    return _loss(_bce, logits_N, targets.y, targets.mask, targets.weight_N)


def ordinal_of_rows(logits_NK: Tensor, targets: Targets) -> Tensor:
    """`losses.ordinal`. Fastest when logits of a threshold follow each other."""
    return _loss(_ordinal, logits_NK.T, targets.y, targets.mask, targets.weight_N)


def pairwise_of_slates(scores_N: Tensor, targets: Targets) -> Tensor:
    """`slate_losses.pairwise`."""
    return _loss(_pairwise, scores_N, targets.y, targets.mask, targets.weight_N, targets.slate_N)


def _loss(kernel: Callable[..., float], scores: Tensor, y: Tensor, *others: Tensor) -> Tensor:
    found: Tensor = _WithGradient.apply(kernel, scores, y.float(), *others)
    return found


class _WithGradient(torch.autograd.Function):
    """A number whose gradient by its scores is known with it."""

    @staticmethod
    def forward(ctx: Any, kernel: Callable[..., float], scores: Tensor, *given: Tensor) -> Tensor:  # noqa: ANN401 - autograd's own
        gradient = torch.zeros(scores.shape)
        arrays = (one.detach().contiguous().numpy() for one in (scores, *given))
        found = torch.tensor(kernel(*arrays, gradient.numpy()), dtype=torch.float32)
        ctx.save_for_backward(gradient)
        ctx.num_given = len(given)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - autograd's own
        (gradient,) = ctx.saved_tensors
        return None, gradient * d_loss, *[None] * ctx.num_given


@njit(cache=True, error_model="numpy", nogil=True)
def _bce(logit_N: Float32, y_N: Float32, mask_N: Bools, weight_N: Float32, gradient_N: Float32) -> float:
    loss_N, known_N = np.empty_like(logit_N), np.empty_like(logit_N)
    _entropies(logit_N, y_N, mask_N, weight_N, loss_N, gradient_N, known_N)
    weight = _sum(known_N)
    if weight <= 0.0:
        gradient_N[:] = _ZERO
        return 0.0
    for n in range(len(logit_N)):
        gradient_N[n] /= np.float32(weight)
    return _sum(loss_N) / weight


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _entropies(  # noqa: PLR0917 - numba compiles no keywords
    logit_N: Float32, y_N: Float32, mask_N: Bools, weight_N: Float32, loss_N: Float32, gradient_N: Float32,
    known_N: Float32,
) -> None:  # fmt: skip
    """Per row, all times its weight and 0 where it is not known: cross-entropy, slope, and 1."""
    for n in range(len(logit_N)):
        loss, slope = _entropy(logit_N[n], y_N[n])
        known_N[n] = weight_N[n] if mask_N[n] else _ZERO
        loss_N[n] = weight_N[n] * loss if mask_N[n] else _ZERO
        gradient_N[n] = weight_N[n] * slope if mask_N[n] else _ZERO


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST | {"reassoc"})
def _sum(value_N: Float32) -> float:
    total = 0.0
    for n in range(len(value_N)):
        total += value_N[n]
    return total


@njit(cache=True, error_model="numpy", nogil=True)
def _ordinal(logit_KN: Float32, y_NK: Float32, mask_NK: Bools, weight_N: Float32, gradient_KN: Float32) -> float:
    total_K, weight_K = np.zeros(len(logit_KN)), np.zeros(len(logit_KN))
    for n in range(len(weight_N)):
        for k in range(len(logit_KN)):
            if mask_NK[n, k]:
                loss, slope = _entropy(logit_KN[k, n], y_NK[n, k])
                total_K[k] += weight_N[n] * loss
                weight_K[k] += weight_N[n]
                gradient_KN[k, n] = weight_N[n] * slope
    total = 0.0
    for k in range(len(logit_KN)):
        if weight_K[k] > 0.0:
            total += total_K[k] / weight_K[k]
            gradient_KN[k] /= np.float32(weight_K[k])
        else:
            gradient_KN[k] = _ZERO
    return total


@njit(inline="always")
def _entropy(logit: Any, y: Any) -> Any:  # noqa: ANN401 - as in vector_math.py
    """Binary cross-entropy of a logit, and its slope."""
    small = exp32(-abs(logit))
    chance = (_ONE if logit >= _ZERO else small) / (_ONE + small)
    return max(logit, _ZERO) - logit * y + log1p32(small), chance - y


@njit(cache=True, error_model="numpy", nogil=True)
def _pairwise(  # noqa: PLR0917 - numba compiles no keywords
    score_N: Float32, y_N: Float32, mask_N: Bools, weight_N: Float32, slate_N: Int64, gradient_N: Float32
) -> float:
    end_S = np.zeros(slate_N.max() + 1 if len(slate_N) else 0, np.int64)
    for n in range(len(slate_N)):
        end_S[slate_N[n]] += mask_N[n]
    end_S = np.cumsum(end_S)
    start_S, row_N = end_S.copy(), np.empty(len(slate_N), np.int64)
    for n in range(len(slate_N) - 1, -1, -1):
        if mask_N[n]:
            start_S[slate_N[n]] -= 1
            row_N[start_S[slate_N[n]]] = n
    total, num_slates, memory_5R = 0.0, 0, np.empty((5, len(slate_N)), np.float32)
    for s in range(len(end_S)):
        of_slate, is_any = _within_slate(row_N[start_S[s] : end_S[s]], score_N, y_N, weight_N, memory_5R, gradient_N)
        total += of_slate
        num_slates += is_any
    for n in range(len(gradient_N)):
        gradient_N[n] /= np.float32(max(num_slates, 1))
    return total / max(num_slates, 1)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _within_slate(  # noqa: PLR0917 - numba compiles no keywords
    row_R: Int64, score_N: Float32, y_N: Float32, weight_N: Float32, memory_5R: Float32, gradient_N: Float32
) -> tuple[float, int]:
    """The mean over the pairs of a slate's known rows, and whether there is any; writes its gradient."""
    num = len(row_R)
    score_R, y_R, slope_R = memory_5R[0][:num], memory_5R[1][:num], memory_5R[2][:num]
    small_R, chance_R = memory_5R[3][:num], memory_5R[4][:num]
    for r in range(len(row_R)):
        score_R[r], y_R[r], slope_R[r] = score_N[row_R[r]], y_N[row_R[r]], _ZERO
    loss = weight = 0.0
    for r in range(len(row_R)):
        if y_R[r] > _ZERO:
            of_row = weight_N[row_R[r]]
            _compare(score_R, y_R, r, small_R, chance_R)
            num_worse, logarithm = _add_up(score_R, r, small_R, chance_R)
            loss += of_row * logarithm
            weight += of_row * num_worse
            _add_slopes(chance_R, r, of_row, slope_R)
    if weight <= 0.0:
        return 0.0, 0
    for r in range(len(row_R)):
        gradient_N[row_R[r]] = slope_R[r] / np.float32(weight)
    return loss / weight, 1


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _compare(score_R: Float32, y_R: Float32, better: int, small_R: Float32, chance_R: Float32) -> None:
    """Per row: e^-|s - s_better|, and the chance that it is taken for the better one; below 0 if it is not worse."""
    for r in range(len(score_R)):
        over = score_R[r] - score_R[better]
        small_R[r] = exp32(-abs(over))
        chance = (_ONE if over >= _ZERO else small_R[r]) / (_ONE + small_R[r])
        chance_R[r] = chance if y_R[r] < y_R[better] else -_ONE


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _add_up(score_R: Float32, better: int, small_R: Float32, chance_R: Float32) -> tuple[int, float]:
    """Number of worse rows, and the sum of log(1 + e^(s - s_better)) over them.

    A sum of logarithms is that of the product, whose factors are in [1, 2]: one logarithm for many pairs.
    """
    num, linear, logarithms, product = 0, 0.0, 0.0, 1.0
    for r in range(len(score_R)):
        if not chance_R[r] < _ZERO:  # so that what is not a number is not left out
            num += 1
            linear += max(score_R[r] - score_R[better], _ZERO)
            product *= 1.0 + small_R[r]
            if product > _LARGE:
                logarithms, product = logarithms + math.log(product), 1.0
    return num, linear + logarithms + math.log(product)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _add_slopes(chance_R: Float32, better: int, weight: np.float32, slope_R: Float32) -> None:
    down = _ZERO
    for r in range(len(chance_R)):
        slope = _ZERO if chance_R[r] < _ZERO else weight * chance_R[r]
        slope_R[r] += slope
        down += slope
    slope_R[better] -= down
