"""The tasks the model learns, as declarations: which rows, which events give the label, how it is learned and weighed.

Data alone: the worker makes labels of it, the ranker heads, the value model its weights. A task may be given another
one, as a cart is given a click; such tasks form chains. What declarations must satisfy is in task_checks.py.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

__all__ = [
    "CLICK_TASK",
    "DEFAULT_TASKS",
    "LABEL_EVENTS",
    "VISIT_EVENT",
    "LabelRule",
    "Task",
    "task_from_json",
    "task_hash",
]

# Types of events that can label a shown item.
LABEL_EVENTS = ("view", "click", "dwell", "cart", "order", "cancel", "dislike")
# The one whose later records replace the earlier, and that says how long.
VISIT_EVENT = "dwell"
# The task that lists are judged and ranked by, that a bid multiplies, and that a slate waits for before it is learned.
CLICK_TASK = "click"
MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    """Which events make the label of a shown item.

    `on`: types that give it; `undone_by`: types that take it back until one gives it again (the latest decides, of two
    at one time the one that takes back). `value`: `one`, or the `seconds` of a visit. A rule on `dwell` with the value
    `one` compares the visit's seconds with `at_least_s` (>=) and `below_s` (<); while a visit goes on, its label is
    known only once it cannot change.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    on: tuple[str, ...]
    undone_by: tuple[str, ...] = ()
    value: Literal["one", "seconds"] = "one"
    at_least_s: float | None = None
    below_s: float | None = None

    @property
    def is_of_visits(self) -> bool:
        """Whether heartbeats of visits make the label."""
        return VISIT_EVENT in self.on

    def holds_for(self, dwell_s: float, *, is_open: bool) -> bool | None:
        """Whether a visit is a positive; None while it goes on and may become another thing."""
        is_beyond = self.below_s is not None and dwell_s >= self.below_s
        is_enough = self.at_least_s is None or dwell_s >= self.at_least_s
        if is_open and not is_beyond and not (is_enough and self.below_s is None):
            return None
        return is_enough and not is_beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to predict about a shown item.

    `given`: the task it presupposes; its head then predicts the chance given that one. `rows`: with `impressions` it
    is learned from all shown rows (with `given`: as the product of the chances down the chain), with `given` from the
    rows alone where that task came true. `window_s` is the label attribution window: seconds of event time after the
    slate was shown. `score_weight` multiplies its prediction in the score; 0 only predicts. `is_early`: labels are sent
    and learned when clicks are known, not when the window is over; positives that come later correct them
    (late_labels.py). For windows so long that what was learned after them would be of another time.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str
    label: LabelRule
    window_s: int
    given: str | None = None
    rows: Literal["impressions", "given"] = "impressions"
    loss: str = "bce"
    loss_weight: float = 0.5
    score_weight: float = 0.0
    is_early: bool = False

    @property
    def is_seconds(self) -> bool:
        """Whether labels are seconds; otherwise they are 0 or 1."""
        return self.label.value == "seconds"

    @property
    def is_product(self) -> bool:
        """Whether it is learned on all impressions as a product with what it is given."""
        return self.given is not None and self.rows == "impressions"


# Windows: models.md 5.4 (click 10 s to 10 min, dwell 30 min, cart 2 h, order 7 d). Loss weights: models.md 11.2.
# An order counts when it is placed; being called off is a task of its own, whose weight takes the order's back.
DEFAULT_TASKS: tuple[Task, ...] = (
    Task(name="click", label=LabelRule(on=("click",)), window_s=MINUTE_S, loss_weight=1.0, score_weight=1.0),
    Task(
        name="dwell",
        given="click",
        rows="given",
        label=LabelRule(on=("dwell",), value="seconds"),
        window_s=HOUR_S // 2,
        loss="ordinal",
        score_weight=0.05,
    ),
    Task(name="cart", given="click", label=LabelRule(on=("cart",)), window_s=2 * HOUR_S, score_weight=1.0),
    Task(
        name="order", given="cart", label=LabelRule(on=("order",)), window_s=7 * DAY_S, score_weight=2.0, is_early=True
    ),
    Task(
        name="order_cancelled",
        given="order",
        rows="given",
        label=LabelRule(on=("cancel",), undone_by=("order",)),
        window_s=7 * DAY_S,
        loss_weight=0.2,
        score_weight=-2.0,
    ),
    Task(name="dislike", label=LabelRule(on=("dislike",)), window_s=DAY_S, loss_weight=0.2, score_weight=-2.0),
    Task(
        name="quick_back",
        given="click",
        rows="given",
        label=LabelRule(on=("dwell",), below_s=5.0),
        window_s=5 * MINUTE_S,
        loss_weight=0.2,
        score_weight=-0.25,
    ),
)


def task_from_json(fields: Mapping[str, Any]) -> Task:
    """The task whose `asdict` went through JSON. Raises TypeError or KeyError for anything else."""
    label: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields["label"].items()}
    return Task(**{**fields, "label": LabelRule(**label)})


def task_hash(tasks: Sequence[Task]) -> str:
    """12 hex digits over what a head means: all but windows, weights and when it is learned, which may be tuned."""
    tuned = {"window_s", "loss_weight", "score_weight", "is_early"}
    meaning = [{k: v for k, v in asdict(task).items() if k not in tuned} for task in tasks]
    return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()[:12]
