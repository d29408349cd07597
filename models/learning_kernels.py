"""The steps of row_learning.py between its products, compiled: forward, with what the gradient needs kept.

As in row_kernels.py rows run along the last dimension, and every inner loop is over them.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.row_kernels import LAYER_NORM_EPSILON, head, share_and_mix
from models.vector_math import FAST, silu32

__all__ = ["add_users", "heads", "mix_experts", "runs"]

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def add_users(first_OR: Float32, user_SO: Float32, slate_R: Int64, hidden_UR: Float32) -> None:
    """Adds the users' part to the first layer's, and writes SiLU of its first U outputs."""
    start_P = runs(slate_R)
    for o in range(len(first_OR)):
        for p in range(len(start_P) - 1):
            of_user = user_SO[slate_R[start_P[p]], o]
            for r in range(start_P[p], start_P[p + 1]):
                first_OR[o, r] += of_user
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


@njit(cache=True, error_model="numpy", nogil=True)
def runs(slate_R: Int64) -> NDArray[np.uint64]:
    """Where rows of another slate begin, and the number of rows: uint64[P + 1].

    Unsigned: a number that might be below 0, and so mean a place from the end, keeps loops from vector instructions.
    """
    start_P = np.empty(len(slate_R) + 1, np.uint64)
    num_runs = 0
    for r in range(len(slate_R)):
        if r == 0 or slate_R[r] != slate_R[r - 1]:
            start_P[num_runs] = r
            num_runs += 1
    start_P[num_runs] = len(slate_R)
    return start_P[: num_runs + 1]


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
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


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _activate(normal_DR: Float32, scale_D: Float32, shift_D: Float32, expert_DR: Float32) -> None:
    for d in range(len(normal_DR)):
        for r in range(normal_DR.shape[1]):
            expert_DR[d, r] = silu32(scale_D[d] * normal_DR[d, r] + shift_D[d])
