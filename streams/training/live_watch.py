"""The watch over what serves: is it surely worse on fresh rows than a champion before it? Then that one is restored.

The gate sees one step; small steps down, or damage that the judging rows shared, it lets through. So the model that
serves is compared with a fixed former champion, on every row before the row is learned, over `WATCH_ROUNDS` rounds
whatever is published meanwhile. When they end well, the champion of their beginning becomes the one to compare with:
every version is so measured against one before it for a whole watch. It is looked at after each round; being sure asks
for three standard errors, so that the looks of a watch together hardly ever are wrong about equal models.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from streams.training.comparison import compare
from streams.training.evidence import Evidence
from streams.training.verdicts import Comparison, plain

__all__ = ["WATCH_ROUNDS", "LiveReport", "Watch", "look"]

WATCH_ROUNDS = 4
LOOK_ERRORS = 3.0
PREFIX = "watch"


@dataclass(frozen=True, slots=True)
class LiveReport:
    """One look. `former`: the version compared with, 0 while there is none; `restored`: whether it serves again.

    `tasks` and `lists`: as of a gate, the former in the champion's place and what serves in the challenger's.
    """

    former: int = 0
    rounds: int = 0
    restored: bool = False
    reason: str = ""
    compared: Comparison = field(default_factory=lambda: Comparison({}, {}))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        facts = {"former": self.former, "rounds": self.rounds, "restored": self.restored, "reason": self.reason}
        return {**facts, **plain(asdict(self.compared))}


@dataclass(frozen=True, slots=True)
class Watch:
    """A watch under way. `former` (0: none): the version compared with; `first`: what served when it began."""

    former: int = 0
    first: int = 0
    rounds: int = 0
    seen: Evidence = field(default_factory=Evidence)

    def after_round(self, seen: Evidence) -> "Watch":
        """With one more round's rows: the former in the champion's place, what serves in the challenger's."""
        return Watch(self.former, self.first, self.rounds + 1, Evidence.joined([self.seen, seen]))

    def after_publication(self, champion: int, published: int) -> "Watch":
        """A watch under way goes on; else one begins, against the champion that was replaced (0: there was none)."""
        return self if self.former or not champion else Watch(former=champion, first=published)

    def ended(self, champion: int) -> "Watch":
        """The next watch, once this one is over: against the champion with which this one began."""
        if self.rounds < WATCH_ROUNDS:
            return self
        return Watch(former=self.first, first=champion) if champion != self.first else Watch()

    def facts(self) -> dict[str, int]:
        """All but the rows seen, for the trainer's state; empty when nothing is watched."""
        return {"former": self.former, "first": self.first, "rounds": self.rounds} if self.former else {}

    def tensors(self) -> dict[str, torch.Tensor]:
        """The rows seen, for the trainer's state."""
        return self.seen.tensors(PREFIX)

    @classmethod
    def of(cls, facts: Mapping[str, int], tensors: Mapping[str, torch.Tensor]) -> "Watch":
        """As it was saved."""
        return cls(**facts, seen=Evidence.from_tensors(tensors, PREFIX))


def look(watch: Watch, rng: np.random.Generator) -> LiveReport:
    """Whether what serves is surely worse than the former champion. The same watch and `rng` say the same."""
    if not watch.former:
        return LiveReport()
    compared = compare(watch.seen, rng, LOOK_ERRORS)
    problems = compared.problems()
    reason = f"against version {watch.former}: " + ("; ".join(problems) or "no task is surely worse")
    return LiveReport(watch.former, watch.rounds, bool(problems), reason, compared)
