"""The public record on `rankings`: a scored, ordered list for one user and surface."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["RankedItem", "Ranking", "ranking_key"]


class RankedItem(BaseModel):
    """One place of the list."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    item_id: str
    kind: Literal["product", "coupon", "ad"]
    score: float
    predictions: dict[str, float]


class Ranking(BaseModel):
    """A list as published; best first. Times are milliseconds since the epoch."""

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


def ranking_key(user_id: str, surface: str) -> bytes:
    """Key of the record: compaction keeps the newest list of each user and surface. No id has a NUL."""
    return f"{user_id}\0{surface}".encode()
