import numpy as np
import pytest

from streams.errors import SettingsError
from streams.ranking.value_model import ValueModel, check_score_weights

NO_BIDS = np.full(2, np.nan, np.float32)
PREDICTIONS = {
    "click": np.array([0.5, 0.25], np.float32),
    "dwell": np.array([2.0, 1.0], np.float32),
    "dislike": np.array([0.25, 0.0], np.float32),
}


def test_value_is_the_weighted_sum_of_predictions() -> None:
    model = ValueModel({"click": 1.0, "dwell": 0.5, "dislike": -2.0})
    assert model.values(PREDICTIONS, NO_BIDS).tolist() == [0.5 + 1.0 - 0.5, 0.25 + 0.5]


def test_terms_name_what_each_task_adds_and_sum_to_the_value() -> None:
    model = ValueModel({"click": 1.0, "dwell": 0.5})
    bids = np.array([np.nan, 4.0], np.float32)
    terms = {name: term_N.tolist() for name, term_N in model.terms(PREDICTIONS, bids).items()}
    assert terms == {"click": [0.5, 0.25], "dwell": [1.0, 0.5], "bid": [0.0, 1.0]}
    assert model.values(PREDICTIONS, bids).tolist() == [1.5, 1.75]


def test_a_task_without_a_prediction_or_without_a_weight_adds_nothing() -> None:
    model = ValueModel({"click": 2.0, "order": 5.0})
    assert model.values(PREDICTIONS, NO_BIDS).tolist() == [1.0, 0.5]
    assert model.values({}, NO_BIDS).tolist() == [0.0, 0.0]


def test_weights_of_declared_tasks_are_accepted_though_some_have_none() -> None:
    check_score_weights({"click": 1.0}, ["click", "dwell"])


@pytest.mark.parametrize(("weights", "found"), [({"clicks": 1.0}, "clicks"), ({"click": float("nan")}, "click = nan")])
def test_unknown_and_impossible_weights_are_refused_by_name(weights: dict[str, float], found: str) -> None:
    with pytest.raises(SettingsError, match=found):
        check_score_weights(weights, ["click", "dwell"])
