"""The public record on `rankings`: a scored, ordered list for one user and surface.

`Ranking` is what readers are given. The worker writes `RankingRecord`, the same as plain dicts: making and encoding
models of 200 items costs more than scoring them.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import orjson
from pydantic import BaseModel, ConfigDict

__all__ = [
    "Explanation",
    "ItemExplanation",
    "MadeList",
    "PastAnswer",
    "RankedItem",
    "Ranking",
    "RankingRecord",
    "ranking_key",
]


class RankedItem(BaseModel):
    """One place of the list."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    item_id: str
    kind: Literal["product", "coupon", "ad"]
    score: float
    predictions: dict[str, float]


class PastAnswer(BaseModel):
    """What the user did with an item that was shown."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    item_id: str
    answer: Literal["clicked", "passed", "disliked"]


class ItemExplanation(BaseModel):
    """Why an item has its score.

    `groups`: what the score would lose without a group of features, or without the user's `taste`; what groups say
    overlaps, so they need not add up. The taste itself, in log-odds of a click, is the sum over `taste_by_answer`, one
    number per answer, and likewise the sum over `taste_by_group`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    item_id: str
    groups: dict[str, float]
    taste: float
    taste_by_group: dict[str, float]
    taste_by_answer: list[float]


class Explanation(BaseModel):
    """Of the first items of a list; `answers`, oldest first, are what its user did before."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    answers: list[PastAnswer]
    items: list[ItemExplanation]


class Ranking(BaseModel):
    """A list as published; best first. Times are milliseconds since the epoch.

    `explanation`: when the request asked for it, and a model served.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())

    slate_id: str
    user_id: str
    surface: str
    items: list[RankedItem]
    model_version: int
    features_as_of_ms: int
    watermark_ms: int
    scored_at_ms: int
    cause: Literal["event", "request", "model"]
    score_weights: dict[str, float]
    policy: str = "score"
    propensity: list[float] | None = None
    explanation: Explanation | None = None


class RankingRecord(TypedDict):
    """A `Ranking` as plain dicts, with the same keys in the same order."""

    slate_id: str
    user_id: str
    surface: str
    items: list[dict[str, Any]]
    model_version: int
    features_as_of_ms: int
    watermark_ms: int
    scored_at_ms: int
    cause: Literal["event", "request", "model"]
    score_weights: dict[str, float]
    policy: str
    propensity: list[float] | None
    explanation: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class MadeList:
    """A list on its way out. `slots`: the worker's, of its items."""

    slots: list[int]
    record: RankingRecord

    def encode(self) -> bytes:
        """As published."""
        return orjson.dumps(self.record)


def ranking_key(user_id: str, surface: str) -> bytes:
    """Key of the record: compaction keeps the newest list of each user and surface. No id has a NUL."""
    return f"{user_id}\0{surface}".encode()
