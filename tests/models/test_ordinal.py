import math

import pytest
import torch

from models.ordinal import OrdinalScale, fit_thresholds, survival


def test_survival_never_rises_with_the_threshold() -> None:
    logits = torch.tensor([[0.0, math.log(3), -math.log(3)]])
    torch.testing.assert_close(survival(logits), torch.tensor([[0.5, 0.5, 0.25]]))


def test_a_censored_visit_labels_only_the_thresholds_it_has_passed() -> None:
    scale = OrdinalScale((5.0, 10.0, 20.0))
    y_NK, known_NK = scale.targets(
        torch.tensor([12.0, 12.0, 0.0]), torch.tensor([True, True, False]), torch.tensor([False, True, False])
    )
    assert y_NK.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert known_NK.tolist() == [[True, True, True], [True, True, False], [False, False, False]]


def test_expectations_are_interval_probabilities_times_interval_means() -> None:
    scale = OrdinalScale((10.0, 20.0))
    scale.set_thresholds(torch.tensor([10.0, 20.0]), torch.tensor([2.0, 6.0, 12.0, 16.0, 40.0]))
    expected_s = scale.expected_s(torch.tensor([[0.6, 0.2], [1.0, 1.0], [0.0, 0.0]]))
    torch.testing.assert_close(expected_s, torch.tensor([0.4 * 4 + 0.4 * 14 + 0.2 * 40, 40.0, 4.0]))
    expected_log = scale.expected_log_s(torch.tensor([[1.0, 1.0]]))
    torch.testing.assert_close(expected_log, torch.tensor([math.log(41)]))


def test_observed_survival_gives_exactly_the_observed_mean() -> None:
    """The property that raw regression on log seconds lacks: no factor is needed to be right on average."""
    torch.manual_seed(0)
    dwell_s = torch.randn(1000).mul(1.2).add(3).exp()
    scale = OrdinalScale((1.0, 2.0))
    scale.set_thresholds(torch.tensor([5.0, 60.0]), dwell_s)
    observed = (dwell_s.unsqueeze(1) > scale.threshold_s_K).float().mean(0, keepdim=True)
    torch.testing.assert_close(scale.expected_s(observed), dwell_s.mean().unsqueeze(0), rtol=1e-4, atol=0)
    torch.testing.assert_close(scale.expected_log_s(observed), dwell_s.log1p().mean().unsqueeze(0), rtol=1e-4, atol=0)


def test_an_interval_without_a_visit_takes_its_middle() -> None:
    scale = OrdinalScale((10.0, 20.0))
    assert scale.mean_s_K1.tolist() == [5.0, 15.0, 30.0]


def test_thresholds_are_inner_quantiles_and_strictly_increase_through_ties() -> None:
    assert fit_thresholds(torch.arange(1, 10), 3).tolist() == [3.0, 5.0, 7.0]
    tied = fit_thresholds(torch.tensor([30.0] * 50), 3).tolist()
    assert tied[0] == 30
    assert tied[0] < tied[1] < tied[2]


def test_thresholds_need_a_positive_dwell() -> None:
    with pytest.raises(ValueError, match="no positive dwell"):
        fit_thresholds(torch.zeros(3), 8)


def test_the_chance_of_a_longer_visit_is_read_off_between_thresholds_in_log_time() -> None:
    scale = OrdinalScale((3.0, 15.0))  # log1p: log 4, log 16
    passed = torch.tensor([[0.5, 0.25]])
    found = [float(scale.longer_than(passed, seconds)) for seconds in (0.0, 1.0, 3.0, 7.0, 15.0, 30.0, 900.0)]
    assert found == pytest.approx([1.0, 0.75, 0.5, 0.375, 0.25, 0.0, 0.0], abs=1e-6)
