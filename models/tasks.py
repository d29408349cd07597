"""The tasks the model learns, in order. The order and meaning are hashed into every checkpoint."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["DEFAULT_TASKS", "Task", "task_hash"]

HOUR_S = 3600
DAY_S = 24 * HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to predict about a shown item.

    `rows` says which shown rows have a label: all `impressions`, or only `clicked` ones.
    `window_s` is the label attribution window: seconds of event time after the slate was shown.
    """

    name: str
    rows: Literal["impressions", "clicked"]
    loss: Literal["bce", "ordinal"]
    window_s: int
    loss_weight: float
    score_weight: float


# Windows: models.md 5.4 (click 10 s to 10 min, dwell 30 min, cart 2 h, order 7 d). Loss weights: models.md 11.2.
DEFAULT_TASKS: tuple[Task, ...] = (
    Task(name="click", rows="impressions", loss="bce", window_s=60, loss_weight=1.0, score_weight=1.0),
    Task(name="dwell", rows="clicked", loss="ordinal", window_s=HOUR_S // 2, loss_weight=0.5, score_weight=0.05),
    Task(name="cart", rows="impressions", loss="bce", window_s=2 * HOUR_S, loss_weight=0.5, score_weight=1.0),
    Task(name="order", rows="impressions", loss="bce", window_s=7 * DAY_S, loss_weight=0.5, score_weight=2.0),
    Task(name="dislike", rows="impressions", loss="bce", window_s=DAY_S, loss_weight=0.2, score_weight=-2.0),
)


def task_hash(tasks: Sequence[Task]) -> str:
    """12 hex digits over what a head means: names, rows and losses in order. Weights and windows may be tuned."""
    meaning = [{k: v for k, v in asdict(task).items() if k in {"name", "rows", "loss"}} for task in tasks]
    return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()[:12]
