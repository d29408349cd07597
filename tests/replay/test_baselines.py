"""The rankers without a model: what they know at each moment, and nothing more."""

from streams.replay.baselines import Baselines
from streams.replay.ranked_lists import RankedList


def _one(*items: str) -> RankedList:
    return RankedList("s", "u", 0, items)


def _impression(*items: str) -> dict[str, object]:
    return {"type": "impression", "items": [{"item_id": item} for item in items]}


def test_as_shown_keeps_the_order() -> None:
    one = _one("a", "b", "c")
    Baselines(0).score(one)

    assert one.scores["as_shown"].tolist() == [0.0, -1.0, -2.0]


def test_item_ctr_is_smoothed_towards_the_running_base_rate() -> None:
    """(clicks + 10 P) / (impressions + 10), with P = 2 / 8 here."""
    baselines, one = Baselines(0), _one("a", "b", "new")
    for event in (_impression("a", "b"), _impression("a", "b"), _impression("a", "x", "y", "z")):
        baselines.learn(event)
    baselines.learn({"type": "click", "item_id": "a"})
    baselines.learn({"type": "click", "item_id": "a"})
    baselines.learn({"type": "cart", "item_id": "b"})
    baselines.score(one)

    assert one.scores["item_ctr"].tolist() == [(2 + 2.5) / (3 + 10), (0 + 2.5) / (2 + 10), 2.5 / 10]


def test_scores_are_not_changed_by_what_happens_later() -> None:
    baselines, one = Baselines(0), _one("a", "b")
    baselines.score(one)
    before = {name: scores.tolist() for name, scores in one.scores.items()}
    baselines.learn(_impression("a", "b"))
    baselines.learn({"type": "click", "item_id": "b"})

    assert {name: scores.tolist() for name, scores in one.scores.items()} == before


def test_random_depends_on_the_seed_alone() -> None:
    first, again, other = _one("a", "b", "c"), _one("a", "b", "c"), _one("a", "b", "c")
    Baselines(1).score(first)
    Baselines(1).score(again)
    Baselines(2).score(other)

    assert first.scores["random"].tolist() == again.scores["random"].tolist() != other.scores["random"].tolist()
