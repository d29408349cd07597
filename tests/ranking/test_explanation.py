from dataclasses import replace

import pytest

from models.checkpoint import LoadedCheckpoint
from streams.features.answers import Answers
from streams.features.user_history import capture_history
from streams.features.user_state import UserState
from streams.ranking.explanation import MAX_EXPLAINED
from streams.ranking.record import PastAnswer, Ranking
from streams.ranking.scorer import Scorer
from streams.ranking.task import RankTask
from streams.settings import RankingSettings, Settings
from tests.ranking.sample_items import item_table
from tests.ranking.sample_tasks import CONFIG, loaded_model, published, rank_task
from tests.ranking.test_item_sides import CATALOGUE, fitted

ITEMS = item_table(CATALOGUE)
IDS = [str(item["item_id"]) for item in CATALOGUE]
ANSWERED = {"i3": 1, "i7": 0, "i9": -1}


def served(loaded: LoadedCheckpoint | None = None) -> Scorer:
    scorer = Scorer(RankingSettings())
    scorer.swap(loaded or LoadedCheckpoint(fitted(ITEMS), {"version": 4}))
    return scorer


def asked(num: int = 3) -> RankTask:
    """A request of someone who clicked i3, passed over i7 and disliked i9, to be explained."""
    user = UserState("u")
    slots = ITEMS.slots(list(ANSWERED)).tolist()
    user.add_answers(Answers("s", "home", 1000, slots, list(ANSWERED.values()), [-1.0, -2.0, -1.5]))
    return rank_task(ITEMS, IDS[:num], history=capture_history(user, 1000), is_explained=True)


def ranked(task: RankTask, scorer: Scorer, options: Settings | None = None) -> Ranking:
    return published([task], ITEMS, scorer, options or Settings(), 0)[0]


def test_what_answers_and_fields_say_of_an_item_adds_up_to_the_users_taste_for_it() -> None:
    found = ranked(asked(), served()).explanation
    assert found is not None
    assert found.answers == [
        PastAnswer(item_id="i3", answer="clicked"),
        PastAnswer(item_id="i7", answer="passed"),
        PastAnswer(item_id="i9", answer="disliked"),
    ]
    for item in found.items:
        assert len(item.taste_by_answer) == 3
        assert list(item.taste_by_group)[-3:] == ["anything", "learned", "same_item"]
        assert sum(item.taste_by_answer) == pytest.approx(item.taste, abs=1e-6)
        assert sum(item.taste_by_group.values()) == pytest.approx(item.taste, abs=1e-6)
        assert abs(item.taste) > 1e-4


def test_a_group_is_worth_what_the_score_loses_without_it() -> None:
    """Of the taste: the score of a user who has not answered anything."""
    task, scorer = asked(), served()
    ranking = ranked(task, scorer)
    nobody = ranked(replace(task, history=capture_history(UserState("u"), 1000)), scorer)
    without = {item.item_id: item.score for item in nobody.items}
    assert ranking.explanation is not None
    assert [item.item_id for item in ranking.explanation.items] == [item.item_id for item in ranking.items]
    for item, why in zip(ranking.items, ranking.explanation.items, strict=True):
        assert list(why.groups)[:2] == ["user", "item"]
        assert why.groups["taste"] == pytest.approx(item.score - without[item.item_id], abs=1e-5)
    assert {"category", "tags", "co_click", "price"} <= set(ranking.explanation.items[0].groups)


def test_only_the_first_items_are_explained_and_only_when_asked() -> None:
    task, scorer = asked(30), served()
    found = ranked(task, scorer).explanation
    assert found is not None
    assert len(found.items) == MAX_EXPLAINED
    quiet = ranked(replace(task, is_explained=False), scorer)
    assert quiet.explanation is None
    assert quiet.items == ranked(task, scorer).items


def test_without_a_model_there_is_nothing_to_explain_and_without_a_taste_layer_no_answers() -> None:
    assert ranked(asked(), Scorer(RankingSettings())).explanation is None
    plain = ranked(asked(), served(loaded_model(config=replace(CONFIG, taste_columns=0)))).explanation
    assert plain is not None
    assert (plain.answers, plain.items[0].taste, plain.items[0].taste_by_group) == ([], 0.0, {})
    assert "taste" not in plain.items[0].groups
    nothing = ranked(replace(rank_task(ITEMS, []), is_explained=True), served()).explanation
    assert nothing is not None
    assert nothing.items == []
