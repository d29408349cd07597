"""Slates of two users' pages, for tests of attribution and labels."""

from models.tasks import DEFAULT_TASKS, Task
from streams.examples.label_plan import LabelPlan
from streams.examples.slates import Slate, Waiting
from streams.settings import LabelSettings

SHOWN_MS = 1_750_000_000_000
WINDOWS_S = {
    "click": 10.0, "dwell": 20.0, "cart": 30.0, "order": 60.0, "order_cancelled": 60.0, "dislike": 30.0,
    "quick_back": 20.0,
}  # fmt: skip
LATENESS_MS = 5000


def plan_of(*tasks: Task, **windows_s: float) -> LabelPlan:
    """The plan of tasks, with windows of their own or those given."""
    return LabelPlan.of(LabelSettings(tasks=tasks, window_overrides_s=windows_s))


PLAN = plan_of(*DEFAULT_TASKS, **WINDOWS_S)


def slate(*slots: int, shown_at_ms: int = SHOWN_MS) -> Slate:
    """A slate of u1 as shown."""
    return Slate("u1", "s1", SHOWN_MS, "home", shown_at_ms, 1, list(slots))


def action(kind: str, slot: int, after_s: float, dwell_s: float = 0.0, *, is_final: bool = True) -> Waiting:
    """Something done so many seconds after the slate was shown."""
    return Waiting(kind, slot, SHOWN_MS + round(after_s * 1000), dwell_s, is_final)
