"""Slates of two users' pages, for tests of attribution and labels."""

from streams.examples.slates import Slate, Waiting

SHOWN_MS = 1_750_000_000_000
WINDOWS_S = {"click": 10.0, "dwell": 20.0, "cart": 30.0, "order": 60.0, "dislike": 30.0}
LATENESS_MS = 5000


def slate(*slots: int, shown_at_ms: int = SHOWN_MS) -> Slate:
    """A slate of u1 as shown."""
    return Slate("u1", "s1", SHOWN_MS, "home", shown_at_ms, 1, list(slots))


def action(kind: str, slot: int, after_s: float, dwell_s: float = 0.0, *, is_final: bool = True) -> Waiting:
    """Something done so many seconds after the slate was shown."""
    return Waiting(kind, slot, SHOWN_MS + round(after_s * 1000), dwell_s, is_final)
