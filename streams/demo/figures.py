"""The figures of a demo: what is shown while it runs and what it ends with. Data only."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

__all__ = ["Figures", "Latencies", "QualityRow", "Verdict", "as_json"]


@dataclass(frozen=True, slots=True)
class QualityRow:
    """Quality in one stretch of the demo, by ranker. `until`: how far it reaches (`0:40`, or `2,000 lists`)."""

    until: str
    num_lists: int
    quality: dict[str, float]


@dataclass(frozen=True, slots=True)
class Latencies:
    """From the request sent to the ranking received by the site, in milliseconds."""

    num_answers: int = 0
    p50_ms: float = float("nan")
    p99_ms: float = float("nan")

    @classmethod
    def of(cls, waits_ms: Sequence[float]) -> "Latencies":
        """Percentiles of these waits."""
        if not waits_ms:
            return cls()
        p50_ms, p99_ms = np.percentile(waits_ms, [50, 99])
        return cls(len(waits_ms), float(p50_ms), float(p99_ms))


@dataclass(slots=True)
class Figures:
    """A moment of the demo."""

    elapsed_s: float = 0.0
    total_s: float = 0.0
    events_sent: int = 0
    events_per_s: float = 0.0
    latencies: Latencies = field(default_factory=Latencies)
    unanswered: int = 0
    model_version: int = 0
    models_published: int = 0
    rounds: int = 0
    lag: int = 0
    rejects: int = 0
    quality: list[QualityRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What must hold at the end. Each sentence of `problems` is one reason to fail."""

    facts: dict[str, str]
    problems: tuple[str, ...]

    @property
    def is_pass(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems

    def joined(self, other: "Verdict") -> "Verdict":
        """Both together."""
        return Verdict(self.facts | other.facts, self.problems + other.problems)


def as_json(figures: Figures, verdict: Verdict) -> dict[str, Any]:
    """One document with everything."""
    return asdict(figures) | {"facts": verdict.facts, "problems": list(verdict.problems), "passed": verdict.is_pass}
