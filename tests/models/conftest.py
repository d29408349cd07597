"""A small seeded world of shown rows with a known taste, for the tests of the model."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.batch import Batch
from models.feature_schema import FeatureSchema
from models.finetune import FineTuneConfig, FineTuner
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.tasks import DEFAULT_TASKS

SCHEMA = FeatureSchema(affinity_fields=("category", "tags"), number_fields=("price",))
MakeBatch = Callable[..., Batch]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small products on a shared machine: threads that wait for each other cost more than they compute."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def schema() -> FeatureSchema:
    return SCHEMA


@pytest.fixture(scope="session")
def make_batch() -> MakeBatch:
    """make_batch(seed, num_slates=16, slate_size=12): clicks follow the first item and the first cross feature.

    Dwell of clicked rows follows the second cross feature, in log-normal seconds; a fifth of the clicks end in a cart.
    Orders and dislikes have no labels.
    """

    def make(seed: int, num_slates: int = 16, slate_size: int = 12) -> Batch:
        rng = np.random.default_rng(seed)
        num_rows = num_slates * slate_size
        user_SU = rng.normal(size=(num_slates, len(SCHEMA.user))).astype(np.float32)
        item_NI = rng.normal(size=(num_rows, len(SCHEMA.item))).astype(np.float32)
        cross_NX = rng.normal(size=(num_rows, len(SCHEMA.cross))).astype(np.float32)
        p_click = 1 / (1 + np.exp(-(1.5 * item_NI[:, 0] + 1.5 * cross_NX[:, 0] - 2.0)))
        click = (rng.random(num_rows) < p_click).astype(np.float32)
        dwell_s = np.exp(rng.normal(3 + 0.7 * cross_NX[:, 1], 1.0, num_rows))
        cart = click * (rng.random(num_rows) < 0.2)
        return Batch.from_arrays(
            user_SU=user_SU,
            item_NI=item_NI,
            cross_NX=cross_NX,
            slate_N=np.repeat(np.arange(num_slates), slate_size),
            position_N=np.tile(np.arange(slate_size), num_slates),
            kind_N=rng.integers(0, 3, num_rows),
            labels={"click": click, "dwell": np.where(click > 0, dwell_s, np.nan), "cart": cart.astype(np.float32)},
        )

    return make


@pytest.fixture
def ranker() -> Ranker:
    """An untrained ranker with the default tasks and random output weights, so that nothing is zero by chance."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        made = Ranker(RankerConfig(), SCHEMA, DEFAULT_TASKS)
        for weight in made.parameters():
            torch.nn.init.normal_(weight, std=0.2)
    return made.eval()


@pytest.fixture
def tuner() -> FineTuner:
    """An untrained learner on the CPU."""
    return FineTuner(FineTuneConfig(), SCHEMA, DEFAULT_TASKS, device="cpu", seed=3)
