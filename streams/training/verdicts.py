"""What a comparison of two models found, by task and by figure of lists: plain facts, for reports and manifests."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Comparison", "ListVerdict", "TaskVerdict", "plain"]


@dataclass(frozen=True, slots=True)
class TaskVerdict:
    """One task. `change` is challenger less champion in normalised entropy.

    It is surely above `surely_above` and surely below `surely_below`. `pcoc`: the challenger's mean prediction over
    mean label; `pcoc_by_kind`, where a kind has positives. For dwell, squared error of log seconds over their variance
    stands for normalised entropy.
    """

    rows: int
    positives: int
    champion: float
    challenger: float
    change: float
    surely_above: float
    surely_below: float
    pcoc: float
    pcoc_by_kind: dict[str, float]
    is_judged: bool
    is_worse: bool
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ListVerdict:
    """One figure of lists. `change`: mean difference, surely below `surely_below`."""

    lists: int
    champion: float
    challenger: float
    change: float
    surely_below: float
    is_worse: bool
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All tasks and figures that have rows."""

    tasks: dict[str, TaskVerdict]
    lists: dict[str, ListVerdict]

    def worse(self) -> set[str]:
        """Tasks and figures in which the challenger is surely worse."""
        verdicts: dict[str, TaskVerdict | ListVerdict] = {**self.tasks, **self.lists}
        return {name for name, verdict in verdicts.items() if verdict.is_worse}

    def problems(self, *, without: Collection[str] = ()) -> list[str]:
        """Why the challenger is surely worse, one sentence each, but of the tasks and figures named."""
        verdicts: dict[str, TaskVerdict | ListVerdict] = {**self.tasks, **self.lists}
        return [problem for name, verdict in verdicts.items() if name not in without for problem in verdict.problems]


def plain(value: Any) -> Any:
    """The same for JSON: what is not finite is null."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
