from collections.abc import Callable
from dataclasses import replace

import torch

from models.batch import Batch
from models.explain import explain
from models.feature_groups import cross_groups
from models.feature_schema import FeatureSchema
from models.inputs import History
from models.ranker import TASTE, Ranker
from tests.models.test_ranker_taste import SCHEMA
from tests.models.test_ranker_taste import batch as tasting_batch
from tests.models.test_ranker_taste import ranker as tasting_ranker

MakeBatch = Callable[..., Batch]


def test_every_cross_feature_is_in_exactly_one_group() -> None:
    schema = FeatureSchema(affinity_fields=("brand", "tags"), number_fields=())
    groups = cross_groups(schema)
    assert list(groups) == ["brand", "tags", "co_click", "seen_before", "price", "query", "relevance"]
    assert sorted(column for columns in groups.values() for column in columns) == list(range(len(schema.cross)))
    assert [schema.cross[column] for column in groups["tags"]] == ["rate_tags", "clicks_tags", "affinity_tags"]


def test_a_contribution_is_the_change_when_the_group_takes_its_average_values(
    ranker: Ranker,
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(0)
    ranker.observe(batch)
    found = explain(ranker, batch)
    averages = {
        "user": replace(batch, user_SU=ranker.user_norm.mean_F.float().expand_as(batch.user_SU)),
        "item": replace(batch, item_NI=ranker.item_norm.mean_F.float().expand_as(batch.item_NI)),
    }
    columns = cross_groups(ranker.schema)["tags"]
    cross = batch.cross_NX.clone()
    cross[:, columns] = ranker.cross_norm.mean_F.float()[columns]
    averages["tags"] = replace(batch, cross_NX=cross)
    full = ranker.predict(batch)
    for group, without in averages.items():
        for task, value in ranker.predict(without).items():
            contribution = found.contributions[task][:, found.groups.index(group)]
            torch.testing.assert_close(contribution, full[task] - value, rtol=1e-3, atol=1e-5)
    for task, value in full.items():
        torch.testing.assert_close(found.predictions[task], value)


def test_a_group_that_says_nothing_contributes_nothing(ranker: Ranker, make_batch: MakeBatch) -> None:
    batch = make_batch(1)
    batch.cross_NX[:, cross_groups(ranker.schema)["query"]] = 0.0
    ranker.observe(batch)
    found = explain(ranker, batch)
    assert float(found.contributions["click"][:, found.groups.index("query")].abs().max()) == 0
    assert float(found.contributions["click"][:, found.groups.index("item")].abs().max()) > 0


def test_what_answers_and_groups_say_adds_up_to_the_taste_and_is_what_a_user_without_answers_misses() -> None:
    made, rows = tasting_ranker(), tasting_batch()
    found, side = explain(made, rows), made.item_side(rows.content)
    state = made.solve_taste(rows, side)
    assert state is not None
    assert found.taste is not None
    with torch.no_grad():
        f_N = made.taste_column(state, rows, side)[:, 0]
        own_logit_N = made(rows, position_N=rows.position_N)[TASTE]
    torch.testing.assert_close(found.taste.by_answer_NA.sum(1), f_N)
    torch.testing.assert_close(found.taste.by_group_NG.sum(1), f_N)
    torch.testing.assert_close(found.taste.base_N + found.taste.by_answer_NA.sum(1), own_logit_N)
    assert found.taste.groups == (*SCHEMA.content, *SCHEMA.number_fields, "anything", "learned", "same_item")
    # The second user gave one answer; two places of the three are not used.
    assert found.taste.by_answer_NA[6:, :2].abs().max() == 0
    nobody = replace(rows, history=History.empty(rows.num_slates))
    average = replace(rows, user_SU=made.user_norm.mean_F.float().expand_as(rows.user_SU))
    full, without, usual = made.predict(rows), made.predict(nobody), made.predict(average)
    for task, value in full.items():
        torch.testing.assert_close(found.predictions[task], value)
        missing = found.contributions[task][:, found.groups.index("taste")]
        torch.testing.assert_close(missing, value - without[task])
        of_user = found.contributions[task][:, found.groups.index("user")]
        torch.testing.assert_close(of_user, value - usual[task])
    assert explain(made, nobody).taste is None
    assert float(explain(made, nobody).contributions["click"][:, -1].abs().max()) == 0
