"""Ids and attention inside the ranker and the tuner."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.batch import Batch
from models.checkpoint import load, save
from models.content import NO_ITEM
from models.explain import explain
from models.feature_schema import EVENT_KINDS
from models.finetune import FineTuneConfig, FineTuner
from models.id_learner import IdLearning
from models.kinds import kinds
from models.predictions import as_predictions
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.tasks import DEFAULT_TASKS, task_hash
from tests.models.taste_shop import FILMS, SCHEMA, films
from tests.models.test_ranker_taste import batch as shown_films

BOTH = RankerConfig(id_rows=16, id_width=4, attention_width=8)
CLICK = EVENT_KINDS.index("click")


def batch(seed: int = 0) -> Batch:
    """Two users are shown every film; the first clicked alien and aliens lately, the second airplane."""
    made = shown_films(seed=seed)
    actions = torch.tensor([[0, 1], [NO_ITEM, 2]])
    kinds = torch.full_like(actions, CLICK)
    ages = torch.tensor([[60.0, 7200.0], [0.0, 600.0]])
    history = replace(made.history, action_SH=actions, action_kind_SH=kinds, action_age_s_SH=ages)
    return replace(made, history=history)


def tuner(config: RankerConfig = BOTH, ids: IdLearning | None = None) -> FineTuner:
    how = FineTuneConfig(ranker=config, ids=ids or IdLearning(admission_count=2))
    return FineTuner(how, SCHEMA, DEFAULT_TASKS, device="cpu", seed=3)


def trained() -> FineTuner:
    made = tuner()
    for seed in range(5):
        made.learn(batch(seed))
    return made


def test_by_default_there_are_no_ids_and_no_attention_and_no_weights_of_theirs() -> None:
    made = tuner(RankerConfig())
    assert [name for name in made.ranker.state_dict() if name.startswith("learned.")] == []
    # The one column beside the cross features is the taste.
    assert made.ranker.first.splits == (len(SCHEMA.user), len(SCHEMA.item), len(SCHEMA.cross) + 1)
    assert [name for name in made.state_dict() if name.startswith("ids.")] == []


def test_before_a_step_neither_changes_a_prediction() -> None:
    """And the attention's weights in the first layer are what keeps it out, as its vectors are not zero."""
    torch.manual_seed(0)
    made, rows = Ranker(replace(BOTH, taste_columns=0), SCHEMA, DEFAULT_TASKS), batch()
    made.observe(rows)
    for head in made.heads:
        torch.nn.init.normal_(head.get_parameter("weight"))
    without = replace(rows, content_N=torch.full_like(rows.content_N, NO_ITEM))
    side = made.item_side(rows.content)
    assert float(made.learned.attended(rows, side).detach().abs().max()) > 0.01
    for task, value in made.predict(rows).items():
        torch.testing.assert_close(value, made.predict(without)[task])
    assert float(made.predict(rows)["click"].std()) > 0


def test_ids_and_attention_learn_and_then_have_a_say() -> None:
    made = trained()
    assert made.ids is not None
    assert int((made.ids.square_R > 0).sum()) == len(FILMS)
    served, rows = made.serving_model(), batch(99)
    no_item = replace(rows, content_N=torch.full_like(rows.content_N, NO_ITEM))
    no_actions = replace(
        rows, history=replace(rows.history, action_SH=torch.full_like(rows.history.action_SH, NO_ITEM))
    )
    side = served.item_side(rows.content)
    for other in (no_item, no_actions):
        change = served.first_layer(rows, side) - served.first_layer(other, side)
        assert float(change.abs().max()) > 1e-4
    assert side.id_MW.shape == (len(FILMS), 4)


def test_replayed_rows_leave_the_table_as_it_is_and_teach_the_rest() -> None:
    made = trained()
    assert made.ids is not None
    before, weight = made.ids.table.embedding_RW.clone(), made.ranker.first.weight_OF.detach().clone()
    counts = made.ids.state_dict()
    made.learn(batch(7).as_replay())
    assert torch.equal(made.ids.table.embedding_RW, before)
    assert {name: value.tolist() for name, value in made.ids.state_dict().items()} == {
        name: value.tolist() for name, value in counts.items()
    }
    assert not torch.equal(made.ranker.first.weight_OF, weight)


def test_the_gradient_of_an_id_is_that_of_its_vector_in_the_ranker() -> None:
    """Against a small change of the row, there and back."""
    made, rows = trained(), batch(8)
    assert made.ids is not None
    table = made.ids.table
    probe_NW = made.ids.probe(rows)

    def loss(probe: torch.Tensor | None) -> torch.Tensor:
        logits = made.ranker(rows, position_N=rows.position_N, kind_N=rows.kind_N, probe_NW=probe)
        return logits["click"].sum()

    loss(probe_NW).backward()
    assert probe_NW.grad is not None
    by_probe = probe_NW.grad[rows.content_N == 3].sum(0)
    row = table.rows_of(rows.content)[0][3]
    with torch.no_grad():
        for column in range(4):
            changed = []
            for change in (0.05, -0.1):
                table.embedding_RW[row, column] += change
                changed.append(float(loss(None)))
            table.embedding_RW[row, column] += 0.05
            assert (changed[0] - changed[1]) / 0.1 == pytest.approx(float(by_probe[column]), rel=0.02, abs=1e-4)


def test_a_poisoned_batch_leaves_the_table_as_it_is() -> None:
    made = trained()
    assert made.ids is not None
    before = made.ids.table.embedding_RW.clone()
    poisoned = replace(batch(9), weight_N=torch.full((batch().num_rows,), 3e38))
    assert made.learn(poisoned) == {}
    assert torch.equal(made.ids.table.embedding_RW, before)


def test_a_restored_tuner_goes_on_bit_for_bit_with_its_ids() -> None:
    few_rows = RankerConfig(id_rows=4, id_width=4, attention_width=8)
    straight, again = tuner(few_rows), tuner(few_rows)
    for seed in range(3):
        straight.learn(batch(seed))
    again.load_state_dict(straight.state_dict())
    for seed in range(3, 6):
        assert straight.learn(batch(seed)) == again.learn(batch(seed))
    expected, found = straight.state_dict(), again.state_dict()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []
    assert "ids.waiting" in expected


def test_a_table_of_another_size_is_refused() -> None:
    other = tuner(replace(BOTH, id_rows=32))
    with pytest.raises(ValueError, match=r"trainer state without a fitting ranker\.learned\.ids"):
        other.load_state_dict(tuner().state_dict())


def test_a_version_is_served_with_its_ids_and_attention_as_it_was(tmp_path: Path) -> None:
    served, rows = trained().serving_model(), batch(99)
    save(tmp_path / "1", served, schema_hash=SCHEMA.hash, task_hash=task_hash(DEFAULT_TASKS), version=1, extra={})
    loaded = load(tmp_path / "1", SCHEMA.hash, task_hash(DEFAULT_TASKS)).ranker
    expected = as_predictions(served, served(rows), kinds(served.schema, rows.item_NI))
    for found in (loaded.predict(rows), loaded.predict(rows, loaded.item_side(films()))):
        for task, value in found.items():
            torch.testing.assert_close(value, expected[task].detach())


def test_scoring_in_chunks_with_ids_and_attention_equals_scoring_at_once() -> None:
    served = trained().serving_model()
    rows = Batch.concat([batch(seed) for seed in range(200)])
    expected = as_predictions(served, served(rows), kinds(served.schema, rows.item_NI))
    assert rows.num_rows > 2048
    for task, value in served.predict(rows).items():
        torch.testing.assert_close(value, expected[task].detach())


def test_an_explanation_has_what_the_last_actions_contribute() -> None:
    served, rows = trained().serving_model(), batch(99)
    found = explain(served, rows)
    nobody = replace(rows, history=replace(rows.history, action_SH=torch.full_like(rows.history.action_SH, NO_ITEM)))
    last = found.groups.index("last_actions")
    for task, value in found.predictions.items():
        without = explain(served, nobody).predictions[task]
        torch.testing.assert_close(found.contributions[task][:, last], value - without)
    assert float(found.contributions["click"][:, last].abs().max()) > 1e-5
