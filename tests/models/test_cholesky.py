import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from models.cholesky import factorise, solve
from models.tiles import LANES, ROWS, add_products, take_products, transpose

Float32 = NDArray[np.float32]
RNG = np.random.default_rng(0)


@njit
def products_and_back(out_PP: Float32, factor_KP: Float32, row: int, column: int) -> Float32:
    add_products(out_PP, factor_KP, len(factor_KP), row, column)
    added_PP = out_PP.copy()
    take_products(out_PP, factor_KP, len(factor_KP), row, column)
    return added_PP


@njit
def columns(factor_MW: Float32, item_P: NDArray[np.int64], column: int, out_WP: Float32, place: int) -> None:
    transpose(factor_MW, item_P, column, out_WP, place)


@pytest.mark.parametrize("places", [LANES, 3 * LANES, 6 * LANES])
def test_the_factor_and_the_solution_are_those_of_the_upper_triangle(places: int) -> None:
    half_PP = RNG.normal(size=(places, places)) / np.sqrt(places)
    b_PP, right_P = half_PP @ half_PP.T + np.eye(places), RNG.normal(size=places)
    upper_PP, inverse_P, x_P = (
        np.triu(b_PP).astype(np.float32),
        np.empty(places, np.float32),
        right_P.astype(np.float32),
    )
    factorise(upper_PP, inverse_P)
    solve(upper_PP, inverse_P, x_P)
    exact_PP = np.linalg.cholesky(b_PP).T
    np.testing.assert_allclose(np.triu(upper_PP), exact_PP, atol=2e-6)
    np.testing.assert_allclose(inverse_P, 1 / exact_PP.diagonal(), rtol=2e-6)
    np.testing.assert_allclose(x_P, np.linalg.solve(b_PP, right_P), atol=1e-5)


def test_a_block_takes_products_and_gives_them_back_and_nothing_beside_it_changes() -> None:
    before_PP = RNG.integers(-9, 9, (2 * LANES, 2 * LANES)).astype(np.float32)
    factor_KP = RNG.integers(-9, 9, (5, 2 * LANES)).astype(np.float32)
    given_PP = before_PP.copy()
    added_PP = products_and_back(given_PP, factor_KP, ROWS, LANES)
    expected_PP = before_PP.copy()
    block = slice(ROWS, 2 * ROWS), slice(LANES, 2 * LANES)
    expected_PP[block] += (factor_KP.T @ factor_KP)[block]
    np.testing.assert_array_equal(added_PP, expected_PP)
    np.testing.assert_array_equal(given_PP, before_PP)


def test_columns_of_items_become_rows() -> None:
    factor_MW = np.arange(50 * 40, dtype=np.float32).reshape(50, 40)
    item_P = RNG.integers(0, 50, 2 * LANES)
    out_WP = np.zeros((40, 2 * LANES), np.float32)
    columns(factor_MW, item_P, 7, out_WP, LANES)
    expected_WP = np.zeros_like(out_WP)
    expected_WP[7 : 7 + LANES, LANES:] = factor_MW[item_P[LANES:], 7 : 7 + LANES].T
    np.testing.assert_array_equal(out_WP, expected_WP)


def test_a_block_stays_in_registers() -> None:
    """Its speed hangs on it: numbers one by one would cost ten times as much."""
    products_and_back(np.zeros((LANES, LANES), np.float32), np.zeros((1, LANES), np.float32), 0, 0)
    code = "".join(products_and_back.inspect_asm().values())
    assert any(name in code for name in ("vfmadd231ps", "vfmadd213ps", "mulps", "fmla"))
