from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models.batch import Batch
from models.checkpoint import load, save
from models.finetune import FineTuneConfig, FineTuner
from models.inputs import History
from models.kinds import kinds
from models.predictions import as_predictions
from models.ranker import TASTE, Ranker
from models.ranker_config import RankerConfig
from models.task_outputs import output_rows
from models.tasks import DEFAULT_TASKS, task_hash
from tests.models.taste_shop import FILMS, SCHEMA, films, history, taste

ANSWERS = [[(0, 1.0), (2, 0.0), (1, 1.0)], [(2, 1.0)]]


def batch(answers: Sequence[list[tuple[int, float]]] = ANSWERS, seed: int = 0) -> Batch:
    """Every user is shown every film; those with space in them are clicked."""
    rng = np.random.default_rng(seed)
    num_slates, num_films = len(answers), len(FILMS)
    num_rows = num_slates * num_films
    clicks = np.tile([float("space" in genres) for _, genres, _, _ in FILMS], num_slates)
    return Batch.from_arrays(
        user_SU=rng.normal(size=(num_slates, len(SCHEMA.user))).astype(np.float32),
        item_NI=rng.normal(size=(num_rows, len(SCHEMA.item))).astype(np.float32),
        cross_NX=rng.normal(size=(num_rows, len(SCHEMA.cross))).astype(np.float32),
        slate_N=np.repeat(np.arange(num_slates), num_films),
        position_N=np.tile(np.arange(num_films), num_slates),
        kind_N=np.zeros(num_rows, np.int64),
        labels={"click": clicks},
        content_N=np.tile(np.arange(num_films), num_slates),
        content=films(),
        history=history(list(answers)),
    )


def ranker(config: RankerConfig | None = None) -> Ranker:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = Ranker(config or RankerConfig(), SCHEMA, DEFAULT_TASKS)
        for name, weight in made.named_parameters():
            if not name.startswith("taste"):
                torch.nn.init.normal_(weight, std=0.2)
    if made.taste is not None:
        made.taste.load_state_dict(taste().state_dict())
        column = sum(made.first.splits[:2]) + len(SCHEMA.cross)
        with torch.no_grad():
            made.first.weight_OF[:, column] = 0
            made.first.weight_OF[output_rows(made, "click")["first.weight_OF"], column] = 1
    return made.eval()


def test_the_taste_moves_the_click_logit_by_itself_and_what_is_given_a_click() -> None:
    made, rows = ranker(), batch()
    nobody = replace(rows, history=History.empty(rows.num_slates))
    with torch.no_grad():
        after, before = made(rows), made(nobody)
        side = made.item_side(rows.content)
        f_N = made.taste_column(made.solve_taste(rows, side), rows, side)[:, 0]
    assert float(f_N.abs().max()) > 0.1
    torch.testing.assert_close(after["click"] - before["click"], f_N)
    assert torch.equal(after["dislike"], before["dislike"])
    assert not torch.equal(after["cart"], before["cart"])


def test_scoring_with_a_known_item_side_equals_learning_without_position() -> None:
    made, rows = ranker(), batch()
    expected = as_predictions(made, made(rows), kinds(made.schema, rows.item_NI))
    for found in (made.predict(rows), made.predict(rows, made.item_side(rows.content))):
        for task, value in found.items():
            torch.testing.assert_close(value, expected[task].detach())


def test_every_weight_of_the_taste_layer_learns_from_the_tasks() -> None:
    made, rows = ranker(), batch()
    logits = made(rows, position_N=rows.position_N, kind_N=rows.kind_N)
    assert set(logits) == {*(task.name for task in DEFAULT_TASKS), TASTE}
    sum(value.square().sum() for value in logits.values()).backward()
    without = [name for name, weight in made.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert [name for name in without if name.startswith("taste")] == ["taste.kernel.vector_raw"]


def test_a_version_with_its_basis_is_served_again_as_it_was(tmp_path: Path) -> None:
    made, rows = ranker(), batch()
    save(tmp_path / "1", made, schema_hash=SCHEMA.hash, task_hash=task_hash(DEFAULT_TASKS), version=1, extra={})
    loaded = load(tmp_path / "1", SCHEMA.hash, task_hash(DEFAULT_TASKS)).ranker
    for task, value in made.predict(rows).items():
        assert torch.equal(loaded.predict(rows)[task], value)


def test_without_columns_there_is_no_taste_layer() -> None:
    made, rows = ranker(RankerConfig(taste_columns=0)), batch()
    assert TASTE not in made(rows, position_N=rows.position_N)
    assert made.taste_column(None, rows, made.item_side(rows.content)).shape == (rows.num_rows, 0)
    assert set(made.predict(rows)) == {task.name for task in DEFAULT_TASKS}


def test_a_tuner_restored_between_steps_learns_and_refits_as_one_that_went_on() -> None:
    def new() -> FineTuner:
        return FineTuner(FineTuneConfig(), SCHEMA, DEFAULT_TASKS, device="cpu", seed=3)

    tuner = new()
    # Six films are too few for a fit of their own.
    assert tuner.ranker.taste is not None
    tuner.ranker.taste.load_state_dict(taste().state_dict())
    tuner.learn(batch())
    again = new()
    again.load_state_dict(tuner.state_dict())
    losses = [one.learn(batch(seed=1)) for one in (tuner, again)]
    assert losses[0] == losses[1]
    assert TASTE in losses[0]
    tuner.refit(), again.refit()
    for name, tensor in tuner.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_the_taste_layer_learns_what_users_answer_by() -> None:
    tuner = FineTuner(FineTuneConfig(learning_rate=0.02, bootstrap_learning_rate=0.02), SCHEMA, DEFAULT_TASKS, "cpu")
    assert tuner.ranker.taste is not None
    kernel = tuner.ranker.taste.kernel
    kernel.load_state_dict(taste().kernel.state_dict())
    before = dict(zip(kernel.groups, kernel.weights().tolist(), strict=True))
    for step in range(30):
        tuner.learn(batch([[(0, 1.0), (2, 0.0)], [(4, 1.0), (5, 0.0)]], seed=step))
    after = dict(zip(kernel.groups, kernel.weights().tolist(), strict=True))
    assert after["genres"] > before["genres"]
    assert after["genres"] > 2 * after["title"]
