"""The steps of row_learning.py between its products, compiled: backward, the chain rule from outputs to inputs.

Names with `d_` are gradients of the loss; those of weights are added up over calls. Sums over rows are made in parts,
side by side.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.learning_kernels import runs
from models.vector_math import FAST, sigmoid32

__all__ = ["head_gradients", "hidden_gradients", "mixture_gradients"]

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
# Sums may be made in any order, or the compiler could not make vector instructions of them.
SUMS = {*FAST, "reassoc"}
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def head_gradients(  # noqa: PLR0917 - numba compiles no keywords
    d_out_KR: Float32, tower_TWR: Float32, head_KW: Float32, task_K: Int64,
    d_tower_TWR: Float32, d_tower_bias_TW: Float32, d_head_KW: Float32, d_head_bias_K: Float32,
) -> None:  # fmt: skip
    """Writes the gradients of towers before SiLU, and adds those of the weights."""
    active_R = np.empty(d_out_KR.shape[1], np.float32)
    slope_R = np.empty_like(active_R)
    for output in range(len(d_out_KR)):
        d_head_bias_K[output] += _sum(d_out_KR[output])
    for t in range(len(tower_TWR)):
        for w in range(tower_TWR.shape[1]):
            d_tower_R = d_tower_TWR[t, w]
            d_tower_R[:] = _ZERO
            _silu_and_slope(tower_TWR[t, w], _ONE, _ZERO, active_R, slope_R)
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
    along_R = np.empty(d_mixed_TDR.shape[2], np.float32)
    for e in range(len(normal_EDR)):
        normal_DR, scale_D, d_output_DR = normal_EDR[e], scale_ED[e], d_output_EDR[e]
        _unmix(d_mixed_TDR, normal_DR, scale_D, shift_ED[e], share_TER, allowed_TE, e, d_output_DR, d_gate_TER, along_R)
        _unnormalise(
            normal_DR, inverse_ER[e], along_R, scale_D, d_output_DR, d_bias_ED[e], d_scale_ED[e], d_shift_ED[e]
        )
    for t in range(len(share_TER)):
        _unshare(share_TER[t], allowed_TE[t], d_gate_TER[t])


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def hidden_gradients(
    first_OR: Float32, slate_R: Int64, d_first_OR: Float32, hidden_UR: Float32, d_user_SO: Float32
) -> None:
    """Writes SiLU of the first U outputs of the first layer again, and adds the gradients of the users' part.

    The first U of `d_first_OR` come as those of SiLU and go as those of what was before it.
    """
    for u in range(len(hidden_UR)):
        for r in range(hidden_UR.shape[1]):
            sigmoid = sigmoid32(first_OR[u, r])
            hidden_UR[u, r] = first_OR[u, r] * sigmoid
            d_first_OR[u, r] *= sigmoid + hidden_UR[u, r] * (_ONE - sigmoid)
    _add_up_users(d_first_OR, slate_R, d_user_SO)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=SUMS)
def _add_up_users(d_first_OR: Float32, slate_R: Int64, d_user_SO: Float32) -> None:
    start_P = runs(slate_R)
    for o in range(len(d_first_OR)):
        for p in range(len(start_P) - 1):
            total = _ZERO
            for r in range(start_P[p], start_P[p + 1]):
                total += d_first_OR[o, r]
            d_user_SO[slate_R[start_P[p]], o] += total


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _unmix(  # noqa: PLR0917 - numba compiles no keywords
    d_mixed_TDR: Float32, normal_DR: Float32, scale_D: Float32, shift_D: Float32, share_TER: Float32,
    allowed_TE: NDArray[np.bool_], e: int, d_scaled_DR: Float32, d_share_TER: Float32, along_R: Float32,
) -> None:  # fmt: skip
    """Of expert `e`: gradients g of scale n + shift, of its shares in the tasks, and the mean over D of scale g n."""
    expert_R, slope_R = np.empty_like(along_R), np.empty_like(along_R)
    tasks = np.nonzero(allowed_TE[:, e])[0]
    along_R[:] = _ZERO
    for d in range(len(d_scaled_DR)):
        _silu_and_slope(normal_DR[d], scale_D[d], shift_D[d], expert_R, slope_R)
        for r in range(len(along_R)):
            d_scaled_DR[d, r] = _ZERO
        for t in tasks:
            for r in range(len(along_R)):
                d_scaled_DR[d, r] += share_TER[t, e, r] * d_mixed_TDR[t, d, r]
                d_share_TER[t, e, r] += d_mixed_TDR[t, d, r] * expert_R[r]
        scale = scale_D[d] / np.float32(len(scale_D))
        for r in range(len(along_R)):
            d_scaled_DR[d, r] *= slope_R[r]
            along_R[r] += scale * d_scaled_DR[d, r] * normal_DR[d, r]


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=SUMS)
def _unnormalise(  # noqa: PLR0917 - numba compiles no keywords
    normal_DR: Float32, inverse_R: Float32, along_R: Float32, scale_D: Float32, d_output_DR: Float32,
    d_bias_D: Float32, d_scale_D: Float32, d_shift_D: Float32,
) -> None:  # fmt: skip
    """From gradients g of scale n + shift to those of o + b: (scale g - n mean(scale g n)) / deviation."""
    for d in range(len(normal_DR)):
        to_bias = to_scale = to_shift = _ZERO
        for r in range(len(along_R)):
            to_shift += d_output_DR[d, r]
            to_scale += d_output_DR[d, r] * normal_DR[d, r]
            d_output = (scale_D[d] * d_output_DR[d, r] - normal_DR[d, r] * along_R[r]) * inverse_R[r]
            to_bias += d_output
            d_output_DR[d, r] = d_output
        d_bias_D[d] += to_bias
        d_scale_D[d] += to_scale
        d_shift_D[d] += to_shift


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _unshare(share_ER: Float32, allowed_E: NDArray[np.bool_], d_gate_ER: Float32) -> None:
    """From gradients of the shares to those of the gates: share (d - sum of d share)."""
    along_R = np.zeros(share_ER.shape[1], np.float32)
    for e in np.nonzero(allowed_E)[0]:
        for r in range(len(along_R)):
            along_R[r] += d_gate_ER[e, r] * share_ER[e, r]
    for e in np.nonzero(allowed_E)[0]:
        for r in range(len(along_R)):
            d_gate_ER[e, r] = share_ER[e, r] * (d_gate_ER[e, r] - along_R[r])


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _silu_and_slope(
    value_R: Float32, scale: np.float32, shift: np.float32, active_R: Float32, slope_R: Float32
) -> None:
    """Writes SiLU of scale x value + shift, and its derivative there."""
    for r in range(len(value_R)):
        value = scale * value_R[r] + shift
        sigmoid = sigmoid32(value)
        active_R[r] = value * sigmoid
        slope_R[r] = sigmoid + value * sigmoid * (_ONE - sigmoid)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _add_product(total_R: Float32, value_R: Float32, factor: np.float32) -> None:
    for r in range(len(total_R)):
        total_R[r] += value_R[r] * factor


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=SUMS)
def _sum(value_R: Float32) -> np.float32:
    total = _ZERO
    for r in range(len(value_R)):
        total += value_R[r]
    return total


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=SUMS)
def _dot(one_R: Float32, other_R: Float32) -> np.float32:
    total = _ZERO
    for r in range(len(one_R)):
        total += one_R[r] * other_R[r]
    return total
