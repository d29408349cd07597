from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.features.items import ItemTable
from streams.ranking.record import RankedItem, Ranking
from streams.ranking.scorer import Scorer
from streams.ranking.task import RankTask
from streams.settings import RankingSettings, Settings
from tests.ranking.sample_items import item_table
from tests.ranking.sample_tasks import loaded_model, published, rank_task

SHOP: list[Mapping[str, Any]] = [
    {"item_id": "p1", "category": "a"},
    {"item_id": "p2", "category": "a"},
    {"item_id": "ad", "kind": "ad", "category": "b", "bid": 0.5},
    {"item_id": "coupon", "kind": "coupon", "category": "b"},
    {"item_id": "sold-out", "in_stock": False},
]
ITEMS = item_table(SHOP)
WEIGHTS = Settings().score_weights
IDS = [*(str(item["item_id"]) for item in SHOP), "never-catalogued"]


def served(version: int = 0) -> Scorer:
    scorer = Scorer(RankingSettings())
    if version:
        scorer.swap(loaded_model(version))
    return scorer


def item_ids(ranking: Ranking) -> list[str]:
    return [item.item_id for item in ranking.items]


def own_task(items: ItemTable, **fields: Any) -> RankTask:
    given = {"is_own": True, "cause": "event", "k": 4, "fallback_N": np.array([0.1, 0.4, 0.2, 0.35, 0.9, 0.9])}
    return rank_task(items, IDS, **(given | fields))


def test_a_ranking_says_what_was_known_and_how_it_was_scored() -> None:
    """The whole record of a request while no model is loaded: the ad's bid of 0.5 adds half of its click rate."""
    task = rank_task(ITEMS, ["p1", "ad", "x"], fallback_N=np.array([0.25, 0.2, 0.125], np.float32))
    weights = {"click": 1.0, "order": 2.0}
    assert published([task], ITEMS, served(), Settings(ranking=RankingSettings(score_weights=weights)), 1234) == [
        Ranking(
            slate_id="s0",
            user_id="u",
            surface="home",
            items=[
                RankedItem(item_id="ad", kind="ad", score=0.3, predictions={"click": 0.2}),
                RankedItem(item_id="p1", kind="product", score=0.25, predictions={"click": 0.25}),
                RankedItem(item_id="x", kind="product", score=0.125, predictions={"click": 0.125}),
            ],
            model_version=0,
            features_as_of_ms=1000,
            watermark_ms=900,
            scored_at_ms=1234,
            cause="request",
            score_weights=weights,
            policy="score",
            propensity=None,
        )
    ]


@settings(max_examples=30)
@given(st.lists(st.sampled_from(IDS), unique=True), st.integers(0, 2))
def test_every_item_of_a_request_comes_back_exactly_once_by_score(named: list[str], version: int) -> None:
    ranking = published([rank_task(ITEMS, named)], ITEMS, served(version), Settings(), 0)[0]
    assert sorted(item_ids(ranking)) == sorted(named)
    scores = [item.score for item in ranking.items]
    assert scores == sorted(scores, reverse=True)


def test_equal_items_keep_the_order_of_the_request_and_k_cuts() -> None:
    task = rank_task(ITEMS, ["p2", "coupon", "p1"], fallback_N=np.full(3, 0.2, np.float32), k=2)
    assert item_ids(published([task], ITEMS, served(), Settings(), 0)[0]) == ["p2", "coupon"]


def test_published_scores_are_the_weighted_sum_of_published_predictions() -> None:
    options = Settings()
    ranking = published([rank_task(ITEMS, IDS)], ITEMS, served(5), options, 0)[0]
    assert (ranking.model_version, ranking.score_weights) == (5, WEIGHTS)
    for item in ranking.items:
        terms = sum(WEIGHTS[name] * value for name, value in item.predictions.items())
        bid = 0.5 * item.predictions["click"] if item.item_id == "ad" else 0.0
        assert item.score == pytest.approx(terms + bid, abs=1e-6)


def test_own_candidates_are_filtered_and_capped_by_category() -> None:
    """Sold out and unknown items score highest here, and seen p2 comes only when nothing else is left."""
    options = Settings(ranking=RankingSettings(explore_frac=0.0, category_share_max=1.0))
    seen = np.array([False, True, False, False, False, False])
    ranking = published([own_task(ITEMS, seen_N=seen)], ITEMS, served(), options, 0)[0]
    assert (item_ids(ranking), ranking.policy) == (["coupon", "ad", "p1", "p2"], "score")
    capped = Settings(ranking=RankingSettings(explore_frac=0.0, category_share_max=0.5))
    assert item_ids(published([own_task(ITEMS, k=2)], ITEMS, served(), capped, 0)[0]) == ["p2", "coupon"]


def test_items_that_match_a_search_come_first() -> None:
    options = Settings(ranking=RankingSettings(explore_frac=0.0))
    assert item_ids(published([own_task(ITEMS, num_matched=1)], ITEMS, served(), options, 0)[0])[0] == "p1"


def test_an_explored_list_has_a_propensity_for_every_place() -> None:
    options = Settings(ranking=RankingSettings(explore_frac=0.5))
    rankings = [published([own_task(ITEMS, slate_id=f"s{n}")], ITEMS, served(), options, 0)[0] for n in range(20)]
    assert {ranking.policy for ranking in rankings} == {"explore"}
    assert [len(ranking.propensity or ()) for ranking in rankings] == [4] * 20
    assert len({tuple(item_ids(ranking)) for ranking in rankings}) > 1


def test_what_is_not_known_of_a_user_decides_what_is_explored() -> None:
    """Without a model the draw is even. With one, a list's chances differ from item to item, also without answers."""
    options = Settings(ranking=RankingSettings(explore_frac=1.0, category_share_max=1.0))
    tasks = [own_task(ITEMS, seed=3, slate_id=f"s{n}") for n in range(40)]
    first = [
        {r.items[0].item_id: (r.propensity or [0.0])[0] for r in published(tasks, ITEMS, served(version), options, 0)}
        for version in (0, 1)
    ]
    assert first[0] == dict.fromkeys(["p1", "p2", "ad", "coupon"], 0.25)
    assert len(set(first[1].values())) == len(first[1]) > 1
    assert sum(first[1].values()) == pytest.approx(1.0, abs=0.01)


def test_a_replay_gives_the_identical_list() -> None:
    tasks = [own_task(ITEMS, seed=seed) for seed in range(10)]
    options, scorer = Settings(ranking=RankingSettings(explore_frac=0.5)), served(1)
    first = [ranking.model_dump_json() for ranking in published(tasks, ITEMS, scorer, options, 7)]
    assert [ranking.model_dump_json() for ranking in published(tasks, ITEMS, served(1), options, 7)] == first


def test_a_users_list_does_not_depend_on_the_other_tasks_of_the_batch() -> None:
    tasks = [own_task(ITEMS, seed=seed) for seed in range(20)]
    options, scorer = Settings(ranking=RankingSettings(explore_frac=0.3)), served(1)
    together = published(tasks, ITEMS, scorer, options, 0)
    alone = [published([task], ITEMS, scorer, options, 0)[0] for task in tasks]
    assert [item_ids(ranking) for ranking in together] == [item_ids(ranking) for ranking in alone]
    scores = [[item.score for item in ranking.items] for ranking in together]
    np.testing.assert_allclose(scores, [[item.score for item in ranking.items] for ranking in alone], atol=1e-6)


def test_nothing_to_rank_gives_an_empty_list_not_an_error() -> None:
    assert published([], ITEMS, served(), Settings(), 0) == []
    for version in (0, 1):
        tasks = [rank_task(ITEMS, []), rank_task(ITEMS, [], is_own=True, k=5)]
        assert [ranking.items for ranking in published(tasks, ITEMS, served(version), Settings(), 0)] == [
            [],
            [],
        ]
