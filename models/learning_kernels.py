"""The steps of row_learning.py between its products, compiled: forward what is kept, backward the chain rule.

As in row_kernels.py rows run along the last dimension, and every inner loop is over them. Sums over rows are made in
parts, side by side. Names with `d_` are gradients of the loss; those of weights are added up over calls.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.row_kernels import LAYER_NORM_EPSILON, head, share_and_mix
from models.vector_math import FAST, sigmoid32, silu32

__all__ = ["add_users", "head_gradients", "heads", "hidden_gradients", "mix_experts", "mixture_gradients"]

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
# Sums over rows may be made in any order, or the compiler could not make vector instructions of them.
SUMS = {*FAST, "reassoc"}
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def add_users(first_OR: Float32, user_SO: Float32, slate_R: Int64, hidden_UR: Float32) -> None:
    """Adds the users' part to the first layer's, and writes SiLU of its first U outputs."""
    start_P = _runs(slate_R)
    for o in range(len(first_OR)):
        for p in range(len(start_P) - 1):
            run_R, of_user = first_OR[o][start_P[p] : start_P[p + 1]], user_SO[slate_R[start_P[p]], o]
            for r in range(len(run_R)):
                run_R[r] += of_user
    for u in range(len(hidden_UR)):
        for r in range(hidden_UR.shape[1]):
            hidden_UR[u, r] = silu32(first_OR[u, r])


@njit(cache=True, error_model="numpy", nogil=True)
def mix_experts(  # noqa: PLR0917 - numba compiles no keywords
    output_EDR: Float32, bias_ED: Float32, scale_ED: Float32, shift_ED: Float32, gate_TER: Float32,
    allowed_TE: NDArray[np.bool_], inverse_ER: Float32, expert_EDR: Float32, mixed_TDR: Float32,
) -> None:  # fmt: skip
    """Writes 1 / deviation, experts = SiLU(scale n + shift) with n = (o + b) / deviation, and the mixtures.

    `o + b` has mean 0 over D. `output_EDR` and `gate_TER` are overwritten: by n, and by the experts' shares.
    """
    for e in range(len(output_EDR)):
        _normalise(output_EDR[e], bias_ED[e], inverse_ER[e])
        _activate(output_EDR[e], scale_ED[e], shift_ED[e], expert_EDR[e])
    share_and_mix(gate_TER, allowed_TE, expert_EDR, mixed_TDR)


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def heads(  # noqa: PLR0917 - numba compiles no keywords
    tower_TWR: Float32, bias_TW: Float32, head_KW: Float32, head_bias_K: Float32, task_K: Int64, linear_KR: Float32,
    active_WR: Float32, out_KN: Float32, start: int,
) -> None:  # fmt: skip
    """Adds the towers' bias, and writes the outputs of the R rows from `start` on: linear + head's of SiLU(tower)."""
    num_rows = linear_KR.shape[1]
    for t in range(len(tower_TWR)):
        for w in range(len(active_WR)):
            for r in range(num_rows):
                tower_TWR[t, w, r] += bias_TW[t, w]
                active_WR[w, r] = silu32(tower_TWR[t, w, r])
        for k in np.nonzero(task_K == t)[0]:
            head(active_WR, head_KW[k], head_bias_K[k], linear_KR[k], out_KN[k][start : start + num_rows])


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def head_gradients(  # noqa: PLR0917 - numba compiles no keywords
    d_out_KR: Float32, tower_TWR: Float32, head_KW: Float32, task_K: Int64,
    d_tower_TWR: Float32, d_tower_bias_TW: Float32, d_head_KW: Float32, d_head_bias_K: Float32,
) -> None:  # fmt: skip
    """Writes the gradients of towers before SiLU, and adds those of the weights."""
    active_R = np.empty(d_out_KR.shape[1], np.float32)
    slope_R = np.empty_like(active_R)
    for k in range(len(d_out_KR)):
        d_head_bias_K[k] += _sum(d_out_KR[k])
    for t in range(len(tower_TWR)):
        for w in range(tower_TWR.shape[1]):
            d_tower_R = d_tower_TWR[t, w]
            d_tower_R[:] = _ZERO
            _silu_and_slope(tower_TWR[t, w], active_R, slope_R)
            for k in np.nonzero(task_K == t)[0]:
                d_head_KW[k, w] += _dot(d_out_KR[k], active_R)
                _add_product(d_tower_R, d_out_KR[k], head_KW[k, w])
            for r in range(len(d_tower_R)):
                d_tower_R[r] *= slope_R[r]
            d_tower_bias_TW[t, w] += _sum(d_tower_R)


@njit(cache=True, error_model="numpy", nogil=True)
def mixture_gradients(  # noqa: PLR0917 - numba compiles no keywords
    d_mixed_TDR: Float32, normal_EDR: Float32, inverse_ER: Float32, scale_ED: Float32, shift_ED: Float32,
    share_TER: Float32, allowed_TE: NDArray[np.bool_],
    d_output_EDR: Float32, d_gate_TER: Float32, d_bias_ED: Float32, d_scale_ED: Float32, d_shift_ED: Float32,
) -> None:  # fmt: skip
    """Writes the gradients of the experts before their bias and of the gates, and adds those of the weights."""
    d_gate_TER[:] = _ZERO
    for e in range(len(normal_EDR)):
        _unmix(d_mixed_TDR, normal_EDR, scale_ED, shift_ED, share_TER, allowed_TE, e,
               d_output_EDR[e], d_gate_TER, d_scale_ED[e], d_shift_ED[e])  # fmt: skip
        _unnormalise(normal_EDR[e], inverse_ER[e], scale_ED[e], d_output_EDR[e], d_bias_ED[e])
    for t in range(len(share_TER)):
        _unshare(share_TER[t], allowed_TE[t], d_gate_TER[t])


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def hidden_gradients(
    first_OR: Float32, slate_R: Int64, d_first_OR: Float32, hidden_UR: Float32, d_user_SO: Float32
) -> None:
    """Writes SiLU of the first U outputs of the first layer again, and adds the gradients of the users' part.

    The first U of `d_first_OR` come as those of SiLU and go as those of what was before it.
    """
    start_P = _runs(slate_R)
    for u in range(len(hidden_UR)):
        for r in range(hidden_UR.shape[1]):
            sigmoid = sigmoid32(first_OR[u, r])
            hidden_UR[u, r] = first_OR[u, r] * sigmoid
            d_first_OR[u, r] *= sigmoid + hidden_UR[u, r] * (_ONE - sigmoid)
    for o in range(len(d_first_OR)):
        for p in range(len(start_P) - 1):
            d_user_SO[slate_R[start_P[p]], o] += _sum(d_first_OR[o][start_P[p] : start_P[p + 1]])


@njit(cache=True, error_model="numpy", nogil=True)
def _runs(slate_R: Int64) -> Int64:
    """Where rows of another slate begin, and the number of rows: int64[P + 1]."""
    start_P = np.empty(len(slate_R) + 1, np.int64)
    num = 0
    for r in range(len(slate_R)):
        if r == 0 or slate_R[r] != slate_R[r - 1]:
            start_P[num] = r
            num += 1
    start_P[num] = len(slate_R)
    return start_P[: num + 1]


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _normalise(output_DR: Float32, bias_D: Float32, inverse_R: Float32) -> None:
    inverse_R[:] = _ZERO
    for d in range(len(output_DR)):
        for r in range(len(inverse_R)):
            output_DR[d, r] += bias_D[d]
            inverse_R[r] += output_DR[d, r] * output_DR[d, r]
    width = np.float32(len(output_DR))
    for r in range(len(inverse_R)):
        inverse_R[r] = _ONE / np.sqrt(inverse_R[r] / width + LAYER_NORM_EPSILON)
    for d in range(len(output_DR)):
        for r in range(len(inverse_R)):
            output_DR[d, r] *= inverse_R[r]


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _activate(normal_DR: Float32, scale_D: Float32, shift_D: Float32, expert_DR: Float32) -> None:
    for d in range(len(normal_DR)):
        for r in range(normal_DR.shape[1]):
            expert_DR[d, r] = silu32(scale_D[d] * normal_DR[d, r] + shift_D[d])


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _unmix(  # noqa: PLR0917 - numba compiles no keywords
    d_mixed_TDR: Float32, normal_EDR: Float32, scale_ED: Float32, shift_ED: Float32, share_TER: Float32,
    allowed_TE: NDArray[np.bool_], e: int,
    d_scaled_DR: Float32, d_share_TER: Float32, d_scale_D: Float32, d_shift_D: Float32,
) -> None:  # fmt: skip
    """Of expert `e`: gradients of scale n + shift, of its shares in the tasks, and of its scale and shift."""
    value_R = np.empty(normal_EDR.shape[2], np.float32)
    expert_R, slope_R = np.empty_like(value_R), np.empty_like(value_R)
    tasks = np.nonzero(allowed_TE[:, e])[0]
    for d in range(len(d_scaled_DR)):
        normal_R, d_scaled_R = normal_EDR[e, d], d_scaled_DR[d]
        for r in range(len(value_R)):
            value_R[r] = scale_ED[e, d] * normal_R[r] + shift_ED[e, d]
        _silu_and_slope(value_R, expert_R, slope_R)
        d_scaled_R[:] = _ZERO
        for t in tasks:
            for r in range(len(value_R)):
                d_scaled_R[r] += share_TER[t, e, r] * d_mixed_TDR[t, d, r]
                d_share_TER[t, e, r] += d_mixed_TDR[t, d, r] * expert_R[r]
        for r in range(len(value_R)):
            d_scaled_R[r] *= slope_R[r]
        d_scale_D[d] += _dot(d_scaled_R, normal_R)
        d_shift_D[d] += _sum(d_scaled_R)


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _unnormalise(
    normal_DR: Float32, inverse_R: Float32, scale_D: Float32, d_output_DR: Float32, d_bias_D: Float32
) -> None:
    """From gradients of scale n + shift to those of o + b: (g - n mean(g n)) / deviation with g = scale d."""
    along_R = np.zeros(len(inverse_R), np.float32)
    for d in range(len(normal_DR)):
        for r in range(len(inverse_R)):
            d_output_DR[d, r] *= scale_D[d]
            along_R[r] += d_output_DR[d, r] * normal_DR[d, r]
    width = np.float32(len(normal_DR))
    for r in range(len(inverse_R)):
        along_R[r] /= width
    for d in range(len(normal_DR)):
        for r in range(len(inverse_R)):
            d_output_DR[d, r] = (d_output_DR[d, r] - normal_DR[d, r] * along_R[r]) * inverse_R[r]
        d_bias_D[d] += _sum(d_output_DR[d])


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _unshare(share_ER: Float32, allowed_E: NDArray[np.bool_], d_gate_ER: Float32) -> None:
    """From gradients of the shares to those of the gates: share (d - sum of d share)."""
    along_R = np.zeros(share_ER.shape[1], np.float32)
    for e in np.nonzero(allowed_E)[0]:
        for r in range(len(along_R)):
            along_R[r] += d_gate_ER[e, r] * share_ER[e, r]
    for e in np.nonzero(allowed_E)[0]:
        for r in range(len(along_R)):
            d_gate_ER[e, r] = share_ER[e, r] * (d_gate_ER[e, r] - along_R[r])


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _silu_and_slope(value_R: Float32, active_R: Float32, slope_R: Float32) -> None:
    for r in range(len(value_R)):
        sigmoid = sigmoid32(value_R[r])
        active_R[r] = value_R[r] * sigmoid
        slope_R[r] = sigmoid + active_R[r] * (_ONE - sigmoid)


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _add_product(total_R: Float32, value_R: Float32, factor: np.float32) -> None:
    for r in range(len(total_R)):
        total_R[r] += value_R[r] * factor


@njit(cache=True, error_model="numpy", nogil=True, fastmath=SUMS)
def _sum(value_R: Float32) -> np.float32:
    total = _ZERO
    for r in range(len(value_R)):
        total += value_R[r]
    return total


@njit(cache=True, error_model="numpy", nogil=True, fastmath=SUMS)
def _dot(one_R: Float32, other_R: Float32) -> np.float32:
    total = _ZERO
    for r in range(len(one_R)):
        total += one_R[r] * other_R[r]
    return total
