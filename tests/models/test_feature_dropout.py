from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from models.batch import Batch
from models.content import NO_ITEM
from models.feature_dropout import drop_groups, without_group
from models.feature_groups import cross_groups
from models.feature_schema import FeatureSchema

MakeBatch = Callable[..., Batch]


def lost_frac(batch: Batch) -> list[float]:
    parts = batch.user_SU, batch.item_NI, batch.cross_NX
    return [float(torch.isnan(part).float().mean()) for part in parts]


def test_nothing_is_dropped_at_zero(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    batch = make_batch(0)
    assert drop_groups(batch, schema, 0.0, 1, 1) is batch


def test_each_group_of_each_slate_is_lost_at_the_rate_and_whole(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    batch = drop_groups(make_batch(0, num_slates=2000, slate_size=2), schema, 0.1, 0, 0)
    assert lost_frac(batch) == pytest.approx([0.1] * 3, abs=0.02)
    for columns in cross_groups(schema).values():
        lost_NC = torch.isnan(batch.cross_NX[:, columns])
        assert bool((lost_NC.all(1) == lost_NC.any(1)).all())
        assert bool((lost_NC[::2] == lost_NC[1::2]).all())


def test_what_is_lost_depends_on_seed_and_step_alone(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    def lost(seed: int, step: int) -> torch.Tensor:
        return torch.isnan(drop_groups(make_batch(0), schema, 0.3, seed, step).cross_NX)

    assert torch.equal(lost(1, 5), lost(1, 5))
    assert not torch.equal(lost(1, 5), lost(1, 6))
    assert not torch.equal(lost(1, 5), lost(2, 5))


def test_a_group_can_be_taken_away_from_all(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    assert lost_frac(without_group(make_batch(0), schema, "item")) == [0.0, 1.0, 0.0]
    batch = without_group(make_batch(0), schema, "category")
    columns = cross_groups(schema)["category"]
    assert bool(torch.isnan(batch.cross_NX[:, columns]).all())
    assert float(torch.isnan(batch.cross_NX).sum()) == len(columns) * batch.num_rows


def test_an_unknown_group_is_refused_with_the_known_ones(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    with pytest.raises(KeyError, match=r"'colour' is unknown; use one of .*category"):
        without_group(make_batch(0), schema, "colour")


def test_a_lost_history_takes_answers_and_actions_of_its_users(schema: FeatureSchema, make_batch: MakeBatch) -> None:
    batch = make_batch(0, num_slates=2)
    items = torch.tensor([[0, 1], [2, 3]])
    known = replace(batch, history=replace(batch.history, answer_SA=items, action_SH=items))
    lost = without_group(known, schema, "answers").history
    assert (lost.answer_SA.unique().tolist(), lost.action_SH.unique().tolist()) == ([NO_ITEM], [NO_ITEM])
