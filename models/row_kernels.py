"""The steps of row_scoring.py between its products, compiled: passes over numbers that are in the cache.

Rows run along the last dimension, and every inner loop is over them, so that the compiler makes vector instructions of
it. For that it must know that rows follow each other in memory: parts of an array are taken along its first dimensions
only.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.vector_math import FAST, exp32, silu32

__all__ = ["LAYER_NORM_EPSILON", "add_users", "head", "heads", "mix_experts", "share_and_mix"]

Float32 = NDArray[np.float32]
LAYER_NORM_EPSILON = np.float32(1e-5)
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@njit(cache=True, error_model="numpy", nogil=True)
def add_users(hidden_UR: Float32, beside_GR: Float32, user_SO: Float32, slate_R: NDArray[np.int64]) -> None:
    """Adds the users' part of the first layer, the hidden units' first; hidden units go on through SiLU.

    Slates whose rows follow each other are fastest.
    """
    start = 0
    while start < len(slate_R):
        end = start + 1
        while end < len(slate_R) and slate_R[end] == slate_R[start]:
            end += 1
        _add_user(hidden_UR, beside_GR, user_SO[slate_R[start]], start, end)
        start = end


@njit(cache=True, error_model="numpy", nogil=True)
def mix_experts(  # noqa: PLR0917 - numba compiles no keywords
    expert_EDR: Float32, bias_ED: Float32, scale_ED: Float32, shift_ED: Float32, gate_TER: Float32,
    allowed_TE: NDArray[np.bool_], mixed_TDR: Float32,
) -> None:  # fmt: skip
    """Writes the mixtures: experts' SiLU(scale (o + b) / deviation + shift) by the softmax of their gates.

    `o + b` has mean 0 over D. `expert_EDR` and `gate_TER` are overwritten: by the experts, and by their shares.
    """
    memory_R = np.empty(expert_EDR.shape[2], np.float32)
    for e in range(len(expert_EDR)):
        _normalise(expert_EDR[e], bias_ED[e], scale_ED[e], shift_ED[e], memory_R)
    share_and_mix(gate_TER, allowed_TE, expert_EDR, mixed_TDR)


@njit(cache=True, error_model="numpy", nogil=True)
def share_and_mix(gate_TER: Float32, allowed_TE: NDArray[np.bool_], expert_EDR: Float32, mixed_TDR: Float32) -> None:
    """Writes the mixtures of experts; `gate_TER` is overwritten by their shares, where they are allowed."""
    memory_R = np.empty(gate_TER.shape[2], np.float32)
    for t in range(len(gate_TER)):
        _share(gate_TER[t], allowed_TE[t], memory_R)
        _mix(gate_TER[t], expert_EDR, allowed_TE[t], mixed_TDR[t])


@njit(cache=True, error_model="numpy", nogil=True)
def heads(  # noqa: PLR0917 - numba compiles no keywords
    tower_TWR: Float32, bias_TW: Float32, head_KW: Float32, head_bias_K: Float32, task_K: NDArray[np.int64],
    linear_KR: Float32, out_KN: Float32, start: int,
) -> None:  # fmt: skip
    """Writes the outputs of R rows from `start` on: the linear path's, plus the head's of SiLU(tower + b) of its task.

    `tower_TWR` is overwritten.
    """
    end = start + linear_KR.shape[1]
    for t in range(len(tower_TWR)):
        for w in range(tower_TWR.shape[1]):
            _activate(tower_TWR[t, w], bias_TW[t, w])
    for k in range(len(out_KN)):
        head(tower_TWR[task_K[k]], head_KW[k], head_bias_K[k], linear_KR[k], out_KN[k][start:end])


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def head(active_WR: Float32, weight_W: Float32, bias: np.float32, linear_R: Float32, out_R: Float32) -> None:
    """Writes one output: linear + weights times what is active + bias."""
    for r in range(len(out_R)):
        out_R[r] = linear_R[r] + bias
    for w in range(len(weight_W)):
        for r in range(len(out_R)):
            out_R[r] += weight_W[w] * active_WR[w, r]


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _add_user(hidden_UR: Float32, beside_GR: Float32, user_O: Float32, start: int, end: int) -> None:
    num_hidden = len(hidden_UR)
    for u in range(num_hidden):
        _activate(hidden_UR[u][start:end], user_O[u])
    for g in range(len(beside_GR)):
        beside_GR[g][start:end] += user_O[num_hidden + g]


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _normalise(output_DR: Float32, bias_D: Float32, scale_D: Float32, shift_D: Float32, inverse_R: Float32) -> None:
    inverse_R[:] = _ZERO
    for d in range(len(output_DR)):
        for r in range(len(inverse_R)):
            centred = output_DR[d, r] + bias_D[d]
            inverse_R[r] += centred * centred
    width = np.float32(len(output_DR))
    for r in range(len(inverse_R)):
        inverse_R[r] = _ONE / np.sqrt(inverse_R[r] / width + LAYER_NORM_EPSILON)
    for d in range(len(output_DR)):
        for r in range(len(inverse_R)):
            normal = (output_DR[d, r] + bias_D[d]) * inverse_R[r]
            output_DR[d, r] = silu32(scale_D[d] * normal + shift_D[d])


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _share(gate_ER: Float32, allowed_E: NDArray[np.bool_], sum_R: Float32) -> None:
    """Softmax over the experts that are allowed, at least one of them; the others' numbers stay as they are."""
    highest_R = gate_ER[np.argmax(allowed_E)].copy()
    for e in np.nonzero(allowed_E)[0]:
        for r in range(len(sum_R)):
            highest_R[r] = max(highest_R[r], gate_ER[e, r])
    sum_R[:] = _ZERO
    for e in np.nonzero(allowed_E)[0]:
        for r in range(len(sum_R)):
            gate_ER[e, r] = exp32(gate_ER[e, r] - highest_R[r])
            sum_R[r] += gate_ER[e, r]
    for r in range(len(sum_R)):
        sum_R[r] = _ONE / sum_R[r]
    for e in np.nonzero(allowed_E)[0]:
        for r in range(len(sum_R)):
            gate_ER[e, r] *= sum_R[r]


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _mix(share_ER: Float32, expert_EDR: Float32, allowed_E: NDArray[np.bool_], mixed_DR: Float32) -> None:
    for d in range(mixed_DR.shape[0]):
        mixed_DR[d] = _ZERO
        for e in range(len(share_ER)):
            if allowed_E[e]:
                for r in range(mixed_DR.shape[1]):
                    mixed_DR[d, r] += share_ER[e, r] * expert_EDR[e, d, r]


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _activate(value_R: Float32, bias: np.float32) -> None:
    for r in range(len(value_R)):
        value_R[r] = silu32(value_R[r] + bias)
