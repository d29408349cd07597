"""The taste layer as it serves on a CPU (taste.py), compiled: user by user, so that all of a user is in a core's cache.

The same numbers as its torch form, to rounding (tested). With q = pull / root, a Newton step comes down to
alpha = root B^-1 q, where B = I + root K root: one solve, and no product with K. Places (P) are the answers, and up to
a multiple of LANES places without one; of matrices the upper triangle alone means anything.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.cholesky import add_multiple, dot, factorise, solve
from models.taste_weights import ANSWERS_A_FADE, MIN_CURVATURE, NO_BASE_LOGIT, NUM_STEPS, TasteWeights
from models.tiles import LANES, ROWS, add_products, transpose
from models.vector_math import FAST, exp32

__all__ = ["score_items", "solve_users", "variances"]

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_MIN_CURVATURE, _NO_BASE_LOGIT = np.float32(MIN_CURVATURE), np.float32(NO_BASE_LOGIT)
# Columns of the factors whose products are added at once: those of a hundred answers stay in the nearest cache.
COLUMNS_AT_ONCE = 64
# Ten times the answers: hardly a row is compared with all of them in vain.
NUM_MARKS = 1024


@njit(cache=True, error_model="numpy", nogil=True)
def solve_users(  # noqa: PLR0917 - numba compiles no keywords
    factor_MW: Float32, weights: TasteWeights, answer_SA: Int64, y_SA: Float32, logit_SA: Float32,
    direction_SW: Float32, alpha_SA: Float32, root_SA: Float32, upper_SAA: Float32,
) -> None:  # fmt: skip
    """Writes the last four: those of TasteState, `upper_SAA` being the transposed `lower_SAA`."""
    (num_users, num_answers), width = answer_SA.shape, factor_MW.shape[1]
    most = _padded(num_answers)
    # Taken once: memory that is given back and taken again for every user is slow.
    column_memory, kernel_memory, upper_memory = _aligned(width * most), _aligned(most * most), _aligned(most * most)
    for s in range(num_users):
        start = 0
        while start < num_answers and answer_SA[s, start] < 0:
            start += 1
        num = num_answers - start
        places = _padded(num)
        column_WP = column_memory[: width * places].reshape(width, places)
        kernel_PP = kernel_memory[: places * places].reshape(places, places)
        upper_PP = upper_memory[: places * places].reshape(places, places)
        item_P = np.full(places, -1)
        item_P[:num] = answer_SA[s][start:]
        _columns(factor_MW, np.maximum(item_P, 0), column_WP)
        _kernel(column_WP, np.float32(weights.identity), item_P, kernel_PP)
        judged = _judge(weights, item_P, y_SA[s][start:], logit_SA[s][start:])
        alpha_P, root_P = _solve_user(kernel_PP, item_P, *judged, upper_PP)
        alpha_SA[s][:start], root_SA[s][:start] = _ZERO, _ZERO
        alpha_SA[s][start:], root_SA[s][start:] = alpha_P[:num], root_P[:num]
        _write(start, upper_PP, upper_SAA[s])
        for w in range(width):
            direction_SW[s, w] = dot(column_WP[w], alpha_P)


@njit(cache=True, error_model="numpy", nogil=True)
def _padded(num_answers: int) -> int:
    """Up to a multiple of LANES."""
    return -(-num_answers // LANES) * LANES


@njit(cache=True, error_model="numpy", nogil=True)
def _aligned(num: int) -> Float32:
    """Memory where vectors do not cross the cache's lines."""
    memory = np.empty(num + LANES, np.float32)
    start = -(memory.ctypes.data // memory.itemsize) % LANES
    return memory[start : start + num]


@njit(cache=True, error_model="numpy", nogil=True)
def score_items(  # noqa: PLR0917 - numba compiles no keywords
    factor_MW: Float32, identity: float, direction_SW: Float32, alpha_SA: Float32, answer_SA: Int64, content_N: Int64,
    slate_N: Int64, out_N: Float32,
) -> None:  # fmt: skip
    """Writes f of the rows, as of their users' state; 0 for NO_ITEM."""
    may_be_SB = _marks(answer_SA)
    for n in range(len(out_N)):
        item, s = content_N[n], slate_N[n]
        out_N[n] = _ZERO
        if item >= 0:
            out_N[n] = dot(factor_MW[item], direction_SW[s])
            if may_be_SB[s, item % NUM_MARKS]:
                for a in range(answer_SA.shape[1]):
                    if answer_SA[s, a] == item:
                        out_N[n] += np.float32(identity) * alpha_SA[s, a]


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def variances(  # noqa: PLR0917 - numba compiles no keywords
    factor_MW: Float32, identity: float, answer_SA: Int64, root_SA: Float32, upper_SAA: Float32, content_N: Int64,
    slate_N: Int64, out_N: Float32,
) -> None:  # fmt: skip
    """Writes the variance of f of the rows, as of their users' state, which solve_users gave."""
    same, num_answers = np.float32(identity), answer_SA.shape[1]
    pulled_A = np.empty(num_answers, np.float32)
    for n in range(len(out_N)):
        item, s = content_N[n], slate_N[n]
        out_N[n] = same
        if item < 0:
            continue
        factor_W, answer_A, root_A = factor_MW[item], answer_SA[s], root_SA[s]
        out_N[n] += dot(factor_W, factor_W)
        for a in range(num_answers):
            # Where there is no answer its root is 0, whatever is compared.
            alike = dot(factor_W, factor_MW[max(answer_A[a], 0)])
            pulled_A[a] = root_A[a] * (alike + (same if answer_A[a] == item else _ZERO))
        for a in range(num_answers):
            row = upper_SAA[s, a]
            known = pulled_A[a] / row[a]
            out_N[n] -= known * known
            add_multiple(pulled_A[a + 1 :], -known, row[a + 1 :])
        out_N[n] = max(out_N[n], _ZERO)


@njit(cache=True, error_model="numpy", nogil=True)
def _marks(answer_SA: Int64) -> NDArray[np.bool_]:
    """bool[S, NUM_MARKS]: whether an answer is to one of the items that share the mark; of most items, none is."""
    may_be_SB = np.zeros((len(answer_SA), NUM_MARKS), np.bool_)
    for s in range(len(answer_SA)):
        for a in range(answer_SA.shape[1]):
            if answer_SA[s, a] >= 0:
                may_be_SB[s, answer_SA[s, a] % NUM_MARKS] = True
    return may_be_SB


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _judge(weights: TasteWeights, item_P: Int64, y_A: Float32, logit_A: Float32) -> tuple[Float32, Float32, Float32]:
    """float32[P] each: what was expected of an answer, what it was, and how much it counts."""
    scale, shift = np.float32(weights.base_scale), np.float32(weights.base_shift)
    log_trust, fading = np.float32(weights.log_trust), np.float32(weights.fading / ANSWERS_A_FADE)
    base_P, y_P = np.zeros(len(item_P), np.float32), np.zeros(len(item_P), np.float32)
    trust_P = np.zeros(len(item_P), np.float32)
    for a in range(len(y_A)):
        logit = logit_A[a] if np.isfinite(logit_A[a]) else _NO_BASE_LOGIT
        base_P[a] = scale * logit + shift
        y_P[a] = max(y_A[a], _ZERO)
        trust_P[a] = exp32(log_trust - fading * np.float32(len(y_A) - 1 - a)) if item_P[a] >= 0 else _ZERO
    return base_P, y_P, trust_P


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _columns(factor_MW: Float32, item_P: Int64, column_WP: Float32) -> None:
    """The items' factors, transposed."""
    in_blocks = factor_MW.shape[1] // LANES * LANES
    for place in range(0, len(item_P), LANES):
        for w in range(0, in_blocks, LANES):
            transpose(factor_MW, item_P, w, column_WP, place)
    for w in range(in_blocks, factor_MW.shape[1]):
        for a in range(len(item_P)):
            column_WP[w, a] = factor_MW[item_P[a], w]


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _kernel(column_WP: Float32, identity: np.float32, item_P: Int64, kernel_PP: Float32) -> None:
    """K of the answers."""
    kernel_PP[:] = _ZERO
    for start in range(0, len(column_WP), COLUMNS_AT_ONCE):
        column_KP = column_WP[start : start + COLUMNS_AT_ONCE]
        for top in range(0, len(item_P), ROWS):
            for column in range(top // LANES * LANES, len(item_P), LANES):
                add_products(kernel_PP, column_KP, len(column_KP), top, column)
    for a in range(len(item_P)):
        row = kernel_PP[a]
        for b in range(len(row)):
            row[b] += identity if item_P[b] == item_P[a] else _ZERO


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _solve_user(  # noqa: PLR0917 - numba compiles no keywords
    kernel_PP: Float32, item_P: Int64, base_P: Float32, y_P: Float32, trust_P: Float32, upper_PP: Float32
) -> tuple[Float32, Float32]:
    """float32[P]: alpha and root of the last Newton step, of which `upper_PP` takes the Cholesky factor."""
    num = len(item_P)
    alpha_P, root_P, f_P = np.zeros(num, np.float32), np.zeros(num, np.float32), np.zeros(num, np.float32)
    inverse_P = np.empty(num, np.float32)
    for step in range(NUM_STEPS):
        for a in range(len(item_P)):
            p = _ONE / (_ONE + exp32(-(base_P[a] + f_P[a])))
            curvature = p * (_ONE - p) * trust_P[a]
            root = np.sqrt(curvature + _MIN_CURVATURE)
            alpha_P[a] = (curvature * f_P[a] + (y_P[a] - p) * trust_P[a]) / root
            root_P[a] = root if item_P[a] >= 0 else _ZERO
        for a in range(len(item_P)):
            row, from_row = upper_PP[a], kernel_PP[a]
            for b in range(len(row)):
                row[b] = root_P[a] * root_P[b] * from_row[b]
            row[a] += _ONE
        factorise(upper_PP, inverse_P)
        solve(upper_PP, inverse_P, alpha_P)
        for a in range(len(item_P)):
            alpha_P[a] *= root_P[a]
        if step + 1 < NUM_STEPS:
            _multiply(kernel_PP, alpha_P, f_P)
    return alpha_P, root_P


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _multiply(upper_PP: Float32, x_P: Float32, out_P: Float32) -> None:
    """Adds the product of a symmetric matrix."""
    for a in range(len(x_P)):
        row = upper_PP[a][a + 1 :]
        out_P[a] += upper_PP[a, a] * x_P[a] + dot(row, x_P[a + 1 :])
        add_multiple(out_P[a + 1 :], x_P[a], row)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _write(start: int, upper_PP: Float32, upper_AA: Float32) -> None:
    """The triangle after `start` places without an answer; 0 elsewhere, and 1 on their diagonal."""
    for a in range(len(upper_AA)):
        if a < start:
            upper_AA[a] = _ZERO
            upper_AA[a, a] = _ONE
        else:
            upper_AA[a][:start] = _ZERO
            row, from_row = upper_AA[a][start:], upper_PP[a - start]
            for b in range(len(row)):
                row[b] = from_row[b] if b >= a - start else _ZERO
