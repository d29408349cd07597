import math
import warnings

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from models import metrics

Floats = NDArray[np.float64]
LABELS = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        arrays.arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0])),
        arrays.arrays(np.float64, n, elements=st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))),
    )
)


def same(found: float, expected: float) -> None:
    assert (math.isnan(found) and math.isnan(expected)) or found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(LABELS)
@settings(max_examples=150)
def test_metrics_equal_those_of_scikit_learn_on_random_and_degenerate_rows(rows: tuple[Floats, Floats]) -> None:
    y, p = rows
    decided = p >= 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected_auc = sklearn.metrics.roc_auc_score(y, p) if len(np.unique(y)) > 1 else math.nan
        same(metrics.auc(y, p), expected_auc)
        same(metrics.log_loss(y, p), sklearn.metrics.log_loss(y, p, labels=[0, 1]))
        expected_precision = sklearn.metrics.average_precision_score(y, p) if y.any() else math.nan
        same(metrics.average_precision(y, p), expected_precision)
        same(metrics.accuracy(y, p), sklearn.metrics.accuracy_score(y, decided))
        same(metrics.precision(y, p), sklearn.metrics.precision_score(y, decided, zero_division=0))
        same(metrics.recall(y, p), sklearn.metrics.recall_score(y, decided, zero_division=0))
        same(metrics.f1(y, p), sklearn.metrics.f1_score(y, decided, zero_division=0))


def test_log_loss_of_float32_uses_its_own_epsilon_as_scikit_learn_does() -> None:
    y, p = np.array([0.0, 1.0]), np.array([1.0, 0.5], np.float32)
    assert metrics.log_loss(y, p) == pytest.approx(sklearn.metrics.log_loss(y, p), rel=1e-6)


@given(LABELS)
@settings(max_examples=60)
def test_xauc_of_two_grades_is_the_auc_and_of_many_the_share_of_pairs_in_order(rows: tuple[Floats, Floats]) -> None:
    y, p = rows
    same(metrics.xauc(y, p), metrics.auc(y, p))
    seconds = y * 10 + np.arange(len(y)) % 3
    pairs = [(i, j) for i in range(len(y)) for j in range(len(y)) if seconds[i] < seconds[j]]
    expected = np.mean([1.0 if p[i] < p[j] else 0.5 if p[i] == p[j] else 0.0 for i, j in pairs]) if pairs else math.nan
    same(metrics.xauc(seconds, p), expected)


def test_xauc_is_the_same_over_several_blocks_of_rows() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 3000).astype(float)
    p = np.round(rng.random(3000), 2)
    assert metrics.xauc(y, p) == pytest.approx(sklearn.metrics.roc_auc_score(y, p), rel=1e-12)


def test_normalised_entropy_is_one_for_the_base_rate_and_zero_for_the_truth() -> None:
    y = np.array([1.0, 0.0, 0.0, 0.0])
    assert metrics.normalised_entropy(y, np.full(4, 0.25)) == pytest.approx(1.0)
    assert metrics.normalised_entropy(y, y) == pytest.approx(0.0, abs=1e-9)
    assert metrics.normalised_entropy(y, np.full(4, 0.75)) > 1


def test_pcoc_is_mean_prediction_over_mean_label() -> None:
    assert metrics.pcoc(np.array([1.0, 0.0]), np.array([0.5, 0.7])) == pytest.approx(1.2)


def test_ece_is_the_mean_gap_over_bins_of_equal_mass() -> None:
    y = np.array([0.0, 1.0, 1.0, 1.0])
    p = np.array([0.1, 0.2, 0.8, 0.9])
    # two bins in order of p: means (.15, .5) and (.85, 1)
    assert metrics.ece(y, p, num_bins=2) == pytest.approx((0.35 + 0.15) / 2)
    assert metrics.ece(y[:1], p[:1]) == pytest.approx(0.1)


def test_ece_of_calibrated_predictions_is_small_and_of_shifted_ones_is_the_shift() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.1, 0.8, 200_000)
    y = (rng.random(len(p)) < p).astype(float)
    assert metrics.ece(y, p) < 0.006
    assert metrics.ece(y, p + 0.1) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    "name", ["auc", "average_precision", "log_loss", "normalised_entropy", "pcoc", "ece", "xauc", "accuracy"]
)
def test_without_rows_a_metric_is_nan_and_no_exception(name: str) -> None:
    empty = np.zeros(0)
    assert math.isnan(getattr(metrics, name)(empty, empty))


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_without_rows_or_without_a_yes_and_a_positive_precision_recall_and_f1_are_zero(name: str) -> None:
    empty, low = np.zeros(0), np.full(3, 0.1)
    assert [getattr(metrics, name)(empty, empty), getattr(metrics, name)(np.zeros(3), low)] == [0.0, 0.0]


@pytest.mark.parametrize(("label", "p"), [(0.0, 0.3), (1.0, 0.3), (1.0, 0.7)])
def test_a_single_row_is_measured_as_scikit_learn_does(label: float, p: float) -> None:
    y, one = np.array([label]), np.array([p])
    decided = one >= 0.5
    same(metrics.log_loss(y, one), sklearn.metrics.log_loss(y, one, labels=[0, 1]))
    same(metrics.accuracy(y, one), sklearn.metrics.accuracy_score(y, decided))
    same(metrics.f1(y, one), sklearn.metrics.f1_score(y, decided, zero_division=0))
    same(metrics.precision(y, one), sklearn.metrics.precision_score(y, decided, zero_division=0))
    same(metrics.recall(y, one), sklearn.metrics.recall_score(y, decided, zero_division=0))
    same(metrics.average_precision(y, one), 1.0 if label else math.nan)
    assert math.isnan(metrics.auc(y, one))


def test_metrics_of_many_float32_rows_with_ties_equal_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    p = np.round(rng.beta(1, 9, 20_000), 2).astype(np.float32)
    y = (rng.random(len(p)) < p).astype(np.float32)
    assert metrics.auc(y, p) == pytest.approx(sklearn.metrics.roc_auc_score(y, p), rel=1e-9)
    assert metrics.average_precision(y, p) == pytest.approx(sklearn.metrics.average_precision_score(y, p), rel=1e-6)
    assert metrics.log_loss(y, p) == pytest.approx(sklearn.metrics.log_loss(y, p), rel=1e-5)
    for ours, theirs in ((metrics.f1, sklearn.metrics.f1_score), (metrics.recall, sklearn.metrics.recall_score)):
        assert ours(y, p, 0.2) == pytest.approx(theirs(y, p >= np.float32(0.2)), rel=1e-9)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_with_labels_of_one_class_auc_and_normalised_entropy_are_nan(label: float) -> None:
    y, p = np.full(3, label), np.array([0.1, 0.2, 0.3])
    assert math.isnan(metrics.auc(y, p))
    assert math.isnan(metrics.normalised_entropy(y, p))
