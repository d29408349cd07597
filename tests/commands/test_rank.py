from typing import Any

from streams.commands.rank import lines
from streams.ranking.record import Explanation, Ranking

LAST = (
    "score: what it would lose without each group of features; groups overlap. taste: the user's, in log-odds of a "
    "click; all answers together, and all fields together, make up the taste."
)


def ranking(**fields: Any) -> Ranking:
    given: dict[str, Any] = {
        "slate_id": "s", "user_id": "u1", "surface": "home", "model_version": 7, "features_as_of_ms": 0,
        "watermark_ms": 0, "scored_at_ms": 0, "cause": "request", "score_weights": {"click": 1.0},
        "items": [
            {"item_id": "tea", "kind": "product", "score": 0.25, "predictions": {"click": 0.25}},
            {"item_id": "milk", "kind": "ad", "score": 0.1, "predictions": {"click": 0.1, "dwell": 2.0}},
        ],
    }  # fmt: skip
    return Ranking.model_validate(given | fields)


def test_a_list_is_shown_a_line_an_item() -> None:
    assert lines(ranking()) == [
        "  1    0.2500  tea  (product)  click 0.250",
        "  2    0.1000  milk  (ad)  click 0.100  dwell 2.000",
        "2 items for u1 on home: model 7, score",
    ]
    assert lines(ranking(items=[], model_version=0)) == ["0 items for u1 on home: no model yet, score"]


def test_an_explained_item_shows_what_says_most_first() -> None:
    why = {
        "item_id": "tea",
        "groups": {"user": 0.01, "item": -0.2, "brand": 0.0},
        "taste": 0.3,
        "taste_by_group": {"brand": 0.1, "tags": 0.2},
        "taste_by_answer": [0.01 * n for n in range(9)],
    }
    answers = [{"item_id": f"i{n}", "answer": "clicked" if n else "disliked"} for n in range(9)]
    shown = lines(ranking(explanation=Explanation.model_validate({"answers": answers, "items": [why]})))
    assert shown == [
        "  1    0.2500  tea  (product)  click 0.250",
        "              score: item -0.200  user +0.010  brand +0.000",
        "              taste +0.300 by field: tags +0.200  brand +0.100",
        (
            "              taste +0.300 by answer: clicked i8 +0.080  clicked i7 +0.070  clicked i6 +0.060  "
            "clicked i5 +0.050  clicked i4 +0.040  clicked i3 +0.030  3 more +0.030"
        ),
        "  2    0.1000  milk  (ad)  click 0.100  dwell 2.000",
        "2 items for u1 on home: model 7, score",
        LAST,
    ]
