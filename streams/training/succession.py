"""Who serves: versions are published, watched while they serve, and taken back when a former one was surely better.

It moves the registry's pointer, and tells the learner whom to beat; announcing is the event loop's part. A crash
between the pointer and the trainer's state leaves a version that the repeated round publishes again: it is taken for
that one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import structlog
import torch

from models.checkpoint import load
from models.checkpoint_errors import CheckpointError as DamagedError
from models.ranker import Ranker
from streams.errors import CheckpointError
from streams.training.evidence import Evidence
from streams.training.learner import Learner, RoundReport
from streams.training.live_watch import LiveReport, Watch, look
from streams.training.registry import Registry, VersionError
from streams.training.trainer_state import Progress

__all__ = ["Succession"]

log = structlog.get_logger(__name__)


class Succession:
    """Champion and former champion of one learner. `champion`: the version it is to beat; 0 when there is none."""

    def __init__(self, registry: Registry, learner: Learner, hashes: tuple[str, str], seed: int) -> None:
        self._registry, self._learner, self._hashes, self._seed = registry, learner, hashes, seed
        self._unfinished: tuple[int, int] | None = None
        self.champion, self.watch = 0, Watch()

    def resume(self, progress: Progress, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from a saved state, and from what was done to the registry since."""
        newest = self._registry.champions().version
        ranker = self._load(newest)
        extra = self._registry.about(newest)
        number = int(extra.get("round", 0))
        if newest > progress.champion and extra.get("cause") == "round" and number > progress.num_rounds:
            # A round that did not come to save its state: it is repeated, against the champion that it met.
            self._unfinished = (number, newest) if ranker is not None else None
            newest, ranker = progress.champion, self._load(progress.champion)
        self._take(newest, ranker)
        if newest == progress.champion and ranker is not None:
            self._learner.to_beat = progress.to_beat
            self._learner.window = _windows(tensors)
            self.watch = Watch.of(progress.watch, tensors)
            self._learner.former = self._load(self.watch.former)

    def follow(self) -> None:
        """Take the registry's champion as the one to beat; a damaged one is passed over: any challenger may win."""
        version = self._registry.champions().version
        if version != self.champion and (self._unfinished is None or version != self._unfinished[1]):
            self._take(version, self._load(version))

    def after_round(self, report: RoundReport, number: int, published_at_ms: int) -> tuple[RoundReport, int | None]:
        """Restore the former champion, or publish the challenger, or neither. The version published, if any was."""
        live = self._look(report, number)
        if live.restored:
            gate = replace(report.gate, is_promoted=False, reason=f"version {live.former} was restored: {live.reason}")
            return replace(report, live=live, gate=gate), None
        report = replace(report, live=live)
        return report, self._publish(report, number, published_at_ms) if report.gate.is_promoted else None

    def facts(self) -> dict[str, Any]:
        """What the trainer's state keeps of it beside the tensors."""
        return {"champion": self.champion, "to_beat": self._learner.to_beat, "watch": self.watch.facts()}

    def tensors(self) -> dict[str, torch.Tensor]:
        """What was seen so far, for the trainer's state."""
        windows = [seen.tensors(f"window.{place}") for place, seen in enumerate(self._learner.window)]
        return {name: tensor for part in [*windows, self.watch.tensors()] for name, tensor in part.items()}

    def _look(self, report: RoundReport, number: int) -> LiveReport:
        if not self.watch.former:
            return LiveReport()
        watch = self.watch.after_round(report.served)
        live = look(watch, np.random.default_rng([self._seed, number, watch.former]))
        if live.restored:
            return self._restore(live)
        self.watch = watch.ended(self.champion)
        if self.watch.former != watch.former:
            self._learner.former = self._load(self.watch.former)
        return live

    def _restore(self, live: LiveReport) -> LiveReport:
        former, withdrawn = self._learner.former, self.champion
        try:
            self._registry.restore(live.former, live.reason, *self._hashes)
        except (VersionError, CheckpointError) as error:
            log.warning("rollback_failed", model_version=live.former, reason=str(error))
            self.watch, self._learner.former = Watch(), None
            return replace(live, restored=False, reason=f"{live.reason}; it cannot serve again: {error}")
        log.warning("rolled_back", model_version=live.former, withdrawn=withdrawn, reason=live.reason)
        self._take(live.former, former, f"version {withdrawn} served worse {live.reason}")
        return live

    def _publish(self, report: RoundReport, number: int, published_at_ms: int) -> int:
        if self._unfinished is not None and self._unfinished[0] == number:
            version = self._unfinished[1]
        else:
            facts = {"round": number, "cause": "round", "published_at_ms": published_at_ms, "report": report.as_json()}
            version = self._registry.publish(report.challenger, facts, {self.watch.former, self.watch.first})
        had_former, before = bool(self.watch.former), self._learner.champion
        self.watch = self.watch.after_publication(self.champion, version)
        if not had_former and self.watch.former:
            self._learner.former = before
        self.champion = version
        self._learner.crown(report.challenger)
        return version

    def _take(self, version: int, ranker: Ranker | None, to_beat: str = "") -> None:
        """Another champion, of which nothing is known yet."""
        self.champion, self.watch = version, Watch()
        self._learner.former = None
        self._learner.crown(ranker, to_beat)

    def _load(self, version: int) -> Ranker | None:
        if not version:
            return None
        try:
            return load(self._registry.path(version), *self._hashes).ranker
        except DamagedError as error:
            log.warning("champion_refused", model_version=version, reason=str(error))
            return None


def _windows(tensors: Mapping[str, torch.Tensor]) -> list[Evidence]:
    places = sorted({int(name.split(".")[1]) for name in tensors if name.startswith("window.")})
    return [Evidence.from_tensors(tensors, f"window.{place}") for place in places]
