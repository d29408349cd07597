import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.vector_math import FAST, exp32, log1p32, silu32

Float32 = NDArray[np.float32]
ALL = np.concatenate([np.linspace(-87, 88, 200_001), [0.0, -0.0, 1e-30, -1e-30]]).astype(np.float32)


@njit(fastmath=FAST, error_model="numpy")
def exp_of(x_N: Float32) -> Float32:
    found_N = np.empty_like(x_N)
    for n in range(len(x_N)):
        found_N[n] = exp32(x_N[n])
    return found_N


@njit(fastmath=FAST, error_model="numpy")
def silu_of(x_N: Float32) -> Float32:
    found_N = np.empty_like(x_N)
    for n in range(len(x_N)):
        found_N[n] = silu32(x_N[n])
    return found_N


@njit(fastmath=FAST, error_model="numpy")
def log1p_of(u_N: Float32) -> Float32:
    found_N = np.empty_like(u_N)
    for n in range(len(u_N)):
        found_N[n] = log1p32(u_N[n])
    return found_N


def test_the_exponential_is_right_to_two_units_in_the_last_place() -> None:
    exact_N = np.exp(ALL.astype(np.float64))
    assert (np.abs(exp_of(ALL) - exact_N) <= 2 * np.spacing(exact_N.astype(np.float32))).all()


def test_beyond_what_float32_holds_the_exponential_stays_at_the_end() -> None:
    ends = exp_of(np.array([-87, 88], np.float32))
    beyond = np.array([-1e30, -np.inf, 1e30, np.inf], np.float32)
    assert exp_of(beyond).tolist() == [ends[0], ends[0], ends[1], ends[1]]


def test_the_exponential_of_what_is_not_a_number_is_none() -> None:
    assert np.isnan(exp_of(np.full(100, np.nan, np.float32))).all()


def test_the_logarithm_of_one_and_more_is_right_to_two_units_in_the_last_place() -> None:
    u_N = np.concatenate([np.linspace(0, 1, 200_001), np.geomspace(1e-38, 1, 10_001)]).astype(np.float32)
    exact_N = np.log1p(u_N.astype(np.float64))
    assert (np.abs(log1p_of(u_N) - exact_N) <= 2 * np.spacing(exact_N.astype(np.float32))).all()


def test_silu_is_x_times_its_sigmoid() -> None:
    exact_N = ALL / (1 + np.exp(-ALL.astype(np.float64)))
    np.testing.assert_allclose(silu_of(ALL), exact_N, rtol=1e-6, atol=1e-37)


def test_silu_keeps_what_is_not_a_number() -> None:
    found = silu_of(np.array([np.nan, -np.inf, np.inf, -1e30, 1e30], np.float32))
    np.testing.assert_array_equal(np.isnan(found), [True, False, False, False, False])
    assert found[2:].tolist() == [np.inf, found[3], np.float32(1e30)]


def test_the_loop_is_vectorised() -> None:
    """Its speed hangs on it: a call or a branch that the compiler cannot take away would cost five times as much."""
    silu_of(ALL)
    code = "".join(silu_of.inspect_asm().values())
    assert any(name in code for name in ("vdivps", "divps", "fdiv\tv", "fdiv v"))
