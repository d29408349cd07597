import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.normaliser import CLIP, Normaliser


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 2**16))
@settings(max_examples=30)
def test_moments_of_many_batches_equal_those_of_all_rows_at_once(sizes: list[int], seed: int) -> None:
    rows = np.random.default_rng(seed).normal(100.0, 5.0, (sum(sizes), 3)).astype(np.float32)
    normaliser = Normaliser(3)
    for part in torch.from_numpy(rows).split(sizes):
        normaliser.observe(part)
    np.testing.assert_allclose(normaliser.mean_F, rows.astype(np.float64).mean(0), rtol=1e-12)
    variance = normaliser.sum_squares_F / normaliser.count_F
    np.testing.assert_allclose(variance, rows.astype(np.float64).var(0), rtol=1e-9, atol=1e-9)


def test_values_are_standardised_and_clipped_on_both_sides() -> None:
    normaliser = Normaliser(1)
    normaliser.observe(torch.tensor([[1.0], [3.0]]))
    values = normaliser(torch.tensor([[2.0], [3.0], [1000.0], [-1000.0]])).flatten().tolist()
    assert values == [0.0, 1.0, CLIP, -CLIP]


def test_missing_values_are_left_out_of_the_moments_and_become_the_mean() -> None:
    normaliser = Normaliser(2)
    normaliser.observe(torch.tensor([[1.0, torch.nan], [3.0, 5.0], [torch.inf, torch.nan]]))
    assert normaliser.mean_F.tolist() == [2.0, 5.0]
    assert normaliser(torch.tensor([[torch.nan, -torch.inf]])).tolist() == [[0.0, 0.0]]


def test_a_constant_feature_is_centred_and_all_is_zero_before_the_first_row() -> None:
    normaliser = Normaliser(1)
    assert normaliser(torch.tensor([[4.0]])).tolist() == [[0.0]]
    normaliser.observe(torch.tensor([[4.0], [4.0]]))
    assert normaliser(torch.tensor([[4.0], [4.5]])).flatten().tolist() == [0.0, 0.5]


def test_serving_does_not_move_the_moments() -> None:
    normaliser = Normaliser(1)
    normaliser.observe(torch.tensor([[1.0], [3.0]]))
    before = normaliser.mean_F.clone()
    normaliser.eval()(torch.tensor([[100.0]]))
    assert torch.equal(normaliser.mean_F, before)
