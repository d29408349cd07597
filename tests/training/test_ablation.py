import dataclasses

import msgspec
import pytest

from models.metrics import normalised_entropy
from models.tasks import DEFAULT_TASKS
from streams.settings import TrainingSettings
from streams.training.ablation import Ablation, ablate
from streams.training.buffered_slate import ReadySlate
from streams.training.examples_to_batch import to_batch
from streams.training.judged_rows import predict
from streams.training.learner import Learner
from tests.training.taste_world import SCHEMA, ready_slates

TASKS = DEFAULT_TASKS[:3]


@pytest.fixture(scope="module")
def learner() -> Learner:
    made = Learner(TrainingSettings(device="cpu", seed=1), SCHEMA, TASKS)
    for number in range(1, 5):
        made.run_round(ready_slates(128, number), lambda *_: [], number)
    return made


def test_the_groups_that_clicks_follow_cost_most_when_they_are_lost(learner: Learner) -> None:
    """In this world clicks follow the item's first feature and the first cross feature, of the group `category`."""
    ranker, slates = learner.tuner.serving_model(), ready_slates(200, 9)
    found = ablate(ranker, slates)
    batch = to_batch(slates, SCHEMA, TASKS).batch
    y = batch.y["click"].double().numpy()
    assert (found.num_slates, found.num_rows) == (200, 2000)
    assert found.whole["click"]["normalised_entropy"] == normalised_entropy(y, predict(ranker, batch)["click"])
    for name in ("normalised_entropy", "auc", "ndcg_at_10"):
        lost = {group: figures["click"][name] for group, figures in found.worse.items()}
        assert sorted(lost, key=lambda group: -lost[group])[:2] == ["category", "item"], name
        assert min(lost["category"], lost["item"]) > 0.01, name
    assert set(found.worse["user"]["dwell"]) == {"squared_error", "auc"}


def foreign(entry: ReadySlate) -> ReadySlate:
    shown = msgspec.structs.replace(entry.slate.shown[0], feature_schema="other")
    return dataclasses.replace(entry, slate=dataclasses.replace(entry.slate, shown=(shown,)))


def test_slates_with_other_features_are_passed_over_and_rare_tasks_left_out(learner: Learner) -> None:
    ranker, slates = learner.tuner.serving_model(), ready_slates(22, 9)
    assert ablate(ranker, [foreign(entry) for entry in slates]) == Ablation(0, 0)
    found = ablate(ranker, [foreign(slates[0]), *slates[1:]])
    assert (found.num_slates, "click" in found.whole, "cart" in found.whole) == (21, True, False)
