from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import checkpoint
from models.checkpoint_errors import AlteredCheckpointError, MissingCheckpointError, SchemaHashError, TaskHashError
from models.tasks import DEFAULT_TASKS, task_hash
from streams.features.answers import Answers
from streams.features.user_history import capture_history
from streams.features.user_state import UserState
from streams.ranking.scorer import Float32, Scorer, Serving, UnfitModelError, load_model
from streams.ranking.task import RankTask
from streams.settings import RankingSettings
from tests.ranking.sample_items import item_table, numbered
from tests.ranking.sample_tasks import SCHEMA, loaded_model, rank_task

TASK_NAMES = [task.name for task in DEFAULT_TASKS]
ITEMS = item_table(numbered(300))
IDS = [f"i{n}" for n in range(300)]


def saved(folder: Path, version: int = 3) -> Path:
    loaded = loaded_model(version)
    checkpoint.save(
        folder,
        loaded.ranker,
        version=version,
        schema_hash=SCHEMA.hash,
        task_hash=task_hash(DEFAULT_TASKS),
        extra={},
    )
    return folder


def logit(p_N: Float32) -> Float32:
    return np.log(p_N / (1 - p_N))


def predicted(serving: Serving, tasks: Sequence[RankTask]) -> list[dict[str, Float32]]:
    return serving.score(tasks, ITEMS).predictions


def test_without_a_model_the_click_rate_is_the_prediction_and_other_tasks_have_none() -> None:
    scorer = Scorer(RankingSettings())
    task = rank_task(ITEMS, ["i1", "i2"])
    predictions = predicted(scorer.serving, [task])
    assert scorer.version == 0
    assert [{name: values.tolist() for name, values in p.items()} for p in predictions] == [
        {"click": task.fallback_N.tolist()}
    ]


def test_every_task_of_the_model_is_predicted_for_every_item() -> None:
    scorer = Scorer(RankingSettings())
    scorer.swap(loaded_model(7))
    tasks = [rank_task(ITEMS, IDS[:5], seed=1), rank_task(ITEMS, [], seed=2), rank_task(ITEMS, IDS[5:7], seed=3)]
    predictions = predicted(scorer.serving, tasks)
    assert scorer.version == 7
    assert [{name: len(values) for name, values in p.items()} for p in predictions] == [
        dict.fromkeys(TASK_NAMES, 5), dict.fromkeys(TASK_NAMES, 0), dict.fromkeys(TASK_NAMES, 2)
    ]  # fmt: skip
    assert scorer.serving.score([], ITEMS).predictions == []
    assert {len(values) for values in predicted(scorer.serving, [tasks[1]])[0].values()} == {0}


def test_a_prediction_does_not_depend_on_the_other_lists_of_the_batch() -> None:
    """A user's list must not change because someone else's is scored with it; only rounding may differ."""
    scorer = Scorer(RankingSettings())
    scorer.swap(loaded_model())
    tasks = [rank_task(ITEMS, IDS[: 3 + 40 * seed], seed=seed) for seed in range(6)]
    together = predicted(scorer.serving, tasks)
    for task, predictions in zip(tasks, together, strict=True):
        alone = predicted(scorer.serving, [task])[0]
        for name, values in predictions.items():
            np.testing.assert_allclose(values, alone[name], rtol=1e-4, atol=1e-6)


def test_a_version_is_swapped_for_the_next_batch_and_a_batch_keeps_its_version() -> None:
    scorer = Scorer(RankingSettings())
    scorer.swap(loaded_model(1, seed=1))
    before, task = scorer.serving, rank_task(ITEMS, IDS[:4])
    first = predicted(before, [task])[0]["click"]
    scorer.swap(loaded_model(2, seed=2))
    assert (before.version, scorer.version) == (1, 2)
    assert predicted(before, [task])[0]["click"].tolist() == first.tolist()
    assert predicted(scorer.serving, [task])[0]["click"].tolist() != first.tolist()
    assert len(set(first.tolist())) == 4


def test_rows_that_were_answered_are_less_uncertain_than_others() -> None:
    scorer = Scorer(RankingSettings())
    user = UserState("u")
    user.add_answers(Answers("s", "home", 1000, ITEMS.slots(IDS[:4]).tolist(), [0] * 4, [-1.0] * 4))
    own = rank_task(ITEMS, IDS[:6], seed=1, is_own=True)
    tasks = [own, rank_task(ITEMS, IDS[:3], seed=2), replace(own, history=capture_history(user, 1000))]
    rows = [np.arange(6), np.arange(0), np.arange(6)[::-1]]
    assert scorer.serving.score(tasks, ITEMS).raised(rows) is None
    scorer.swap(loaded_model())
    scored = scorer.serving.score(tasks, ITEMS)
    raised = scored.raised(rows)
    assert raised is not None
    assert [len(found["click"]) for found in raised] == [6, 0, 6]
    of_nobody = np.abs(logit(raised[0]["click"]) - logit(scored.predictions[0]["click"]))
    of_user = np.abs(logit(raised[2]["click"])[::-1] - logit(scored.predictions[2]["click"]))
    assert (of_nobody > of_user).all()
    assert of_user[:4].max() < of_user[4:].min()


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_version_with_predictions_that_are_not_finite_is_refused_and_the_one_before_goes_on(poison: float) -> None:
    scorer = Scorer(RankingSettings())
    scorer.swap(loaded_model(1))
    broken = loaded_model(2)
    with torch.no_grad():
        broken.ranker.get_parameter("heads.0.bias").fill_(poison)
        broken.ranker.get_parameter("heads.0.weight").fill_(-poison)
    with pytest.raises(UnfitModelError, match=r"model version 2 .* click"):
        scorer.swap(broken)
    assert scorer.version == 1


def test_features_that_are_missing_or_not_finite_give_finite_predictions() -> None:
    """A lost feature source must not put NaN, which is no JSON, into a list."""
    scorer = Scorer(RankingSettings())
    scorer.swap(loaded_model())
    sound = rank_task(ITEMS, IDS[:3])
    item_NI = sound.item_NI.copy()
    item_NI[1], item_NI[2, 0] = np.nan, np.inf
    task = replace(sound, item_NI=item_NI, user_U=np.full_like(sound.user_U, -np.inf))
    predictions = predicted(scorer.serving, [task])[0]
    assert all(np.isfinite(values).all() for values in predictions.values())


def test_a_saved_version_loads_and_serves(tmp_path: Path) -> None:
    scorer = Scorer(RankingSettings())
    scorer.swap(load_model(saved(tmp_path / "3"), SCHEMA.hash, task_hash(DEFAULT_TASKS)))
    assert scorer.version == 3


def test_a_damaged_missing_or_foreign_version_is_refused_with_its_reason(tmp_path: Path) -> None:
    folder, tasks = saved(tmp_path / "3"), task_hash(DEFAULT_TASKS)
    with pytest.raises(SchemaHashError, match="f00"):
        load_model(folder, "f00", tasks)
    with pytest.raises(TaskHashError, match="f00"):
        load_model(folder, SCHEMA.hash, "f00")
    with pytest.raises(MissingCheckpointError, match="no such folder"):
        load_model(tmp_path / "4", SCHEMA.hash, tasks)
    weights = folder / "weights.safetensors"
    packed = bytearray(weights.read_bytes())
    packed[-1] ^= 1
    weights.write_bytes(packed)
    with pytest.raises(AlteredCheckpointError, match="sha256"):
        load_model(folder, SCHEMA.hash, tasks)
