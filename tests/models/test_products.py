"""Carts learned as a product on all impressions: also those without a click, and without harm to the click."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from models.batch import Batch
from models.feature_schema import FeatureSchema
from models.finetune import FineTuneConfig, FineTuner
from models.metrics import auc, pcoc
from models.tasks import DEFAULT_TASKS
from tests.models.conftest import MakeBatch

CLICK, CART = DEFAULT_TASKS[0], DEFAULT_TASKS[2]
RATE_GIVEN_CLICK, RATE_WITHOUT = 0.25, 0.04


def shop_batch(make_batch: MakeBatch, seed: int, *, has_carts: bool = True) -> Batch:
    """A quarter of the clicks end in a cart where the third cross feature is above 0, and so do 4 % of the others."""
    batch = make_batch(seed, num_slates=32)
    rng = np.random.default_rng(seed + 10_000)
    rate_N = np.where(batch.y["click"].numpy() > 0, RATE_GIVEN_CLICK, RATE_WITHOUT) * (batch.cross_NX[:, 2].numpy() > 0)
    cart_N = torch.tensor(rng.random(batch.num_rows) < rate_N * has_carts).float()
    return replace(batch, y=batch.y | {"cart": cart_N})


@pytest.fixture(scope="module")
def learn(schema: FeatureSchema, make_batch: MakeBatch) -> partial[dict[str, np.ndarray]]:
    def learned(seed: int, *, has_carts: bool) -> dict[str, np.ndarray]:
        tuner = FineTuner(FineTuneConfig(), schema, [CLICK, CART], device="cpu", seed=seed)
        for step in range(150):
            batch = shop_batch(make_batch, step, has_carts=has_carts)
            tuner.predict_then_calibrate(batch)
            tuner.learn(batch)
        tests = [shop_batch(make_batch, 5000 + k, has_carts=has_carts) for k in range(24)]
        found: dict[str, list[np.ndarray]] = {}
        served = tuner.serving_model()
        for batch in tests:
            found.setdefault("raw_click", []).append(served(batch)["click"].sigmoid().double().numpy())
            for name, p_N in served.predict(batch).items():
                found.setdefault(name, []).append(p_N.double().numpy())
                found.setdefault(f"y_{name}", []).append(batch.y[name].double().numpy())
        return {name: np.concatenate(columns) for name, columns in found.items()}

    return partial(learned, 0)


def test_carts_without_a_click_count_and_both_tasks_stay_calibrated(learn: partial[dict[str, np.ndarray]]) -> None:
    found = learn(has_carts=True)
    y, clicked = found["y_cart"], found["y_click"] > 0
    assert 0.2 < float(y[~clicked].sum() / y.sum()) < 0.5
    assert pcoc(y, found["cart"]) == pytest.approx(1.0, abs=0.12)
    assert pcoc(found["y_click"], found["click"]) == pytest.approx(1.0, abs=0.08)
    assert auc(y, found["cart"]) > 0.75


def test_a_shop_without_carts_does_not_push_clicks_down(learn: partial[dict[str, np.ndarray]]) -> None:
    found = learn(has_carts=False)
    """Through the product, carts that never come would take a sixth of the clicks before calibration."""
    assert float(found["cart"].max()) < 0.01
    assert pcoc(found["y_click"], found["raw_click"]) > 0.9
    assert pcoc(found["y_click"], found["click"]) == pytest.approx(1.0, abs=0.08)
    assert auc(found["y_click"], found["click"]) > 0.8
