import dataclasses

import numpy as np
import pytest
import torch

from models.batch import Batch
from models.finetune import FineTuneConfig, FineTuner
from models.metrics import auc, ndcg_at_k
from models.tasks import DEFAULT_TASKS
from streams.training.examples_to_batch import to_batch
from streams.training.judged_rows import AS_SHOWN, as_shown, fallback, judged_lists, judged_rows, predict
from tests.training.taste_world import SCHEMA, ready_slates

TASKS = DEFAULT_TASKS[:3]
CLICK, DWELL, CART = TASKS[0], TASKS[1], next(task for task in TASKS if task.name == "cart")


@pytest.fixture(scope="module")
def batch() -> Batch:
    return to_batch(ready_slates(12), SCHEMA, TASKS).batch


@pytest.fixture(scope="module")
def tuner(batch: Batch) -> FineTuner:
    made = FineTuner(FineTuneConfig(), SCHEMA, TASKS, device="cpu", seed=1)
    made.learn(batch)
    return made


def test_tasks_over_clicked_rows_are_predicted_given_the_click(tuner: FineTuner, batch: Batch) -> None:
    ranker = tuner.serving_model()
    shown = ranker.predict(batch)
    found = predict(ranker, batch)
    assert np.allclose(found["dwell"] * found["click"], shown["dwell"].numpy())
    assert np.array_equal(found["cart"], shown["cart"].double().numpy())


def test_without_a_champion_the_click_rate_of_the_item_and_base_rates_stand_in(tuner: FineTuner, batch: Batch) -> None:
    found = fallback(tuner, batch)
    place = SCHEMA.item.index("item_click_logit")
    assert np.allclose(found["click"], torch.sigmoid(batch.item_NI[:, place]).numpy())
    assert np.unique(found["cart"]).tolist() == [pytest.approx(float(tuner.objective.rates_of("cart").rates()))]
    assert len(np.unique(found["dwell"])) == 1
    visits = batch.y["dwell"][batch.mask["dwell"]]
    assert found["dwell"][0] == pytest.approx(float(visits.log1p().mean()), abs=1.0)


def test_an_item_whose_click_rate_is_missing_gets_the_base_rate(tuner: FineTuner, batch: Batch) -> None:
    item_NI = batch.item_NI.clone()
    item_NI[3, SCHEMA.item.index("item_click_logit")] = float("nan")
    found = fallback(tuner, dataclasses.replace(batch, item_NI=item_NI))
    assert found["click"][3] == pytest.approx(float(tuner.objective.rates_of("click").rates()))


def test_rows_without_a_label_and_visits_that_may_go_on_are_not_judged(tuner: FineTuner, batch: Batch) -> None:
    censored = batch.censored.clone()
    visits = batch.mask["dwell"].nonzero().squeeze(1)
    censored[visits[:2]] = True
    batch = dataclasses.replace(batch, censored=censored)
    before, after = fallback(tuner, batch), predict(tuner.serving_model(), batch)
    user_S = np.arange(12) // 3
    dwell = judged_rows(DWELL, batch, before, after, user_S)
    kept = visits[2:]
    assert np.allclose(dwell.y_N, batch.y["dwell"][kept].log1p().numpy())
    assert np.array_equal(dwell.challenger_N, after["dwell"][kept.numpy()])
    assert dwell.user_N.tolist() == (kept.numpy() // 10 // 3).tolist()
    cart = judged_rows(CART, batch, before, after, user_S)
    assert (len(cart.y_N), cart.is_binary, dwell.is_binary) == (120, True, False)


def test_lists_are_judged_one_by_one_with_their_users(tuner: FineTuner, batch: Batch) -> None:
    before, after = fallback(tuner, batch), predict(tuner.serving_model(), batch)
    lists = judged_lists(batch, before, after, np.arange(12) % 5)
    y, slate = batch.y["click"].numpy(), batch.slate_N.numpy()
    expected = ndcg_at_k(y, after[AS_SHOWN], slate, batch.position_N.numpy(), 10)
    assert np.array_equal(lists["ndcg_at_10"].challenger_L, expected, equal_nan=True)
    per_list = [auc(y[slate == s], before[AS_SHOWN][slate == s]) for s in range(12)]
    assert np.allclose(lists["gauc"].champion_L, per_list, equal_nan=True)
    assert lists["gauc"].user_L.tolist() == (np.arange(12) % 5).tolist()


def test_an_order_gets_no_credit_for_the_places_it_chose(batch: Batch) -> None:
    """Clicks follow the place alone, and both models know that: who sorted the list so is no better than the other."""
    tuner = FineTuner(FineTuneConfig(), SCHEMA, TASKS, device="cpu", seed=1)
    tuner.learn(batch)
    place_N = batch.position_N.double().numpy()
    batch = dataclasses.replace(batch, y={**batch.y, "click": (batch.position_N < 2).float()})
    with torch.no_grad():
        tuner.ranker.position.logit_PT[:, 0] = -20.0 * (torch.arange(len(tuner.ranker.position.logit_PT)) % 64)
    sorted_so, otherwise = (1 / (1 + np.exp(sign * 0.1 * place_N)) for sign in (1, -1))
    lists = judged_lists(
        batch,
        as_shown(tuner.ranker, batch, {"click": sorted_so}),
        as_shown(tuner.ranker, batch, {"click": otherwise}),
        np.arange(12),
    )
    for pairs in lists.values():
        assert pairs.champion_L.tolist() == pairs.challenger_L.tolist() == [1.0] * 12


def test_without_click_labels_there_is_no_list(tuner: FineTuner) -> None:
    batch = to_batch(ready_slates(3, tasks=("cart",)), SCHEMA, TASKS).batch
    assert judged_lists(batch, fallback(tuner, batch), fallback(tuner, batch), np.zeros(3, np.int64)) == {}
