"""What goes wrong in a run, and when: drawn from a seed, so that a run can be repeated from the seed it prints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Fault = Literal[
    "kill_worker", "kill_trainer", "pause_worker", "pause_trainer", "restart_broker", "kill_broker", "add_worker",
    "remove_worker", "fill_models", "cut_redis", "kill_redis",
]  # fmt: skip
KILLS: frozenset[Fault] = frozenset({"kill_worker", "kill_trainer"})
# How often each is drawn.
ALL_FAULTS: Mapping[Fault, float] = {
    "kill_worker": 48, "kill_trainer": 20, "pause_worker": 10, "pause_trainer": 3, "add_worker": 5, "remove_worker": 5,
    "fill_models": 3, "cut_redis": 4, "kill_redis": 1, "restart_broker": 1.5, "kill_broker": 1.5,
}  # fmt: skip
WORKER_KILLS: Mapping[Fault, float] = {"kill_worker": 1}
MEAN_GAP_S = 1.2
MIN_GAP_S = 0.02
MAX_GAP_S = 6.0
# Shorter and longer than a session.
MEAN_HOLD_S = 2.0
MAX_HOLD_S = 6.0


@dataclass(frozen=True, slots=True)
class Step:
    """After `gap_s`, do `fault` to the role at `pick` (0 to 1, of those there are), for `hold_s` if it lasts."""

    gap_s: float
    fault: Fault
    pick: float
    hold_s: float

    def __str__(self) -> str:
        return f"after {self.gap_s:.2f} s {self.fault} (at {self.pick:.2f}, for {self.hold_s:.2f} s)"


def make_plan(seed: int, num_kills: int, weights: Mapping[Fault, float]) -> list[Step]:
    """Faults up to the `num_kills`-th kill -9 of a worker or trainer."""
    rng, names = np.random.default_rng(seed), list(weights)
    chances = np.array([weights[name] for name in names], float)
    chances /= chances.sum()
    steps: list[Step] = []
    while sum(step.fault in KILLS for step in steps) < num_kills:
        fault = names[int(rng.choice(len(names), p=chances))]
        gap_s = MIN_GAP_S + min(float(rng.exponential(MEAN_GAP_S)), MAX_GAP_S)
        hold_s = min(float(rng.exponential(MEAN_HOLD_S)), MAX_HOLD_S)
        steps.append(Step(gap_s, fault, float(rng.random()), hold_s))
    return steps
