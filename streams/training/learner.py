"""The model in training beside the one that serves: predict, then learn; then let both judge rows neither has seen.

A round is a function of the learner's state and its entries alone: the same entries give the same weights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.batch import Batch
from models.feature_schema import FeatureSchema
from models.finetune import FineTuneConfig, FineTuner
from models.objective import ObjectiveConfig
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.tasks import CLICK_TASK, Task
from streams.settings import TrainingSettings
from streams.training.buffered_slate import ReadySlate
from streams.training.evidence import Evidence, groups_of
from streams.training.examples_to_batch import BatchOfSlates, Use, to_batch
from streams.training.gate import WINDOW_ROUNDS, GateReport, judge
from streams.training.judged_rows import Predictions, as_shown, evidence_of, fallback, predict, to_numpy
from streams.training.live_watch import LiveReport
from streams.training.predicted_rows import PredictedBatch
from streams.training.prediction_cells import RoundCells, round_cells
from streams.training.progressive import progressive_metrics
from streams.training.round_plan import first_labels, plan_round
from streams.training.schedule import STEP_SLATES
from streams.training.score_drift import score_drift
from streams.training.user_cap import MIN_REPLAYED, cap_users

__all__ = ["Learner", "Replay", "RoundReport"]

Replay = Callable[[int, np.random.Generator], Sequence[ReadySlate]]


@dataclass(frozen=True, slots=True)
class RoundReport:
    """One round. `progressive[task]`: metrics of predictions made before the rows were learned (progressive.py).

    `num_skipped`: slates with other features; `num_capped`: slates of users who have far more than others;
    `num_steps_skipped`: steps whose loss or gradient was not finite. `served`: what serves on the round's rows, with
    the former champion in the champion's place; `live`: what the watch over it makes of that (live_watch.py).
    `task_weights`: what each task's loss is multiplied with after the round. `gradient_cosines["a/b"]`: how alike tasks
    pulled the shared layer, in rounds that looked (every 200 steps). `cells`: all predictions as counts, for the
    history of rounds alone.
    """

    num_slates: int
    num_judged: int
    num_skipped: int
    num_capped: int
    num_steps_skipped: int
    losses: dict[str, float]
    task_weights: dict[str, float]
    gradient_cosines: dict[str, float]
    progressive: dict[str, dict[str, float]]
    gate: GateReport
    challenger: Ranker = field(repr=False)
    served: Evidence = field(repr=False)
    cells: RoundCells = field(repr=False)
    live: LiveReport = field(default_factory=LiveReport)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for status and log."""
        return {
            "num_slates": self.num_slates,
            "num_judged": self.num_judged,
            "num_skipped": self.num_skipped,
            "num_capped": self.num_capped,
            "num_steps_skipped": self.num_steps_skipped,
            "losses": self.losses,
            "task_weights": self.task_weights,
            "gradient_cosines": self.gradient_cosines,
            "progressive": self.progressive,
            "gate": self.gate.as_json(),
            "live": self.live.as_json(),
        }


@dataclass(slots=True)
class _Round:
    """What a round gathers as it goes."""

    rng: np.random.Generator
    replay: Replay
    step_slates: int
    losses: list[dict[str, float]] = field(default_factory=list)
    seen: list[PredictedBatch] = field(default_factory=list)
    training: list[Evidence] = field(default_factory=list)
    served: list[Evidence] = field(default_factory=list)
    num_skipped: int = 0


class Learner:
    """Holds the live model, the champion that serves, and what rows unseen by both say of the two.

    `former`: a champion before it, for the watch over what serves. `to_beat`: why the champion was restored, or "".
    """

    def __init__(self, settings: TrainingSettings, schema: FeatureSchema, tasks: Sequence[Task]) -> None:
        device = None if settings.device == "auto" else settings.device
        config = FineTuneConfig(
            ranker=RankerConfig(id_rows=settings.id_rows, attention_width=settings.attention_width),
            objective=ObjectiveConfig(balancer=settings.balancer, distillation_weight=settings.distillation_weight),
            dropped_group_frac=settings.dropped_group_frac,
        )
        self.tuner = FineTuner(config, schema, tasks, device=device, seed=settings.seed)
        self.champion: Ranker | None = None
        self.former: Ranker | None = None
        self.window: list[Evidence] = []
        self.to_beat = ""
        self._settings, self._schema, self._tasks = settings, schema, tuple(tasks)
        self._early = frozenset(task.name for task in tasks if task.is_early)

    def crown(self, champion: Ranker | None, to_beat: str = "") -> None:
        """Another champion (None: there is none) is the one to beat: what was seen of the one before says nothing."""
        self.champion, self.to_beat, self.window = champion, to_beat, []

    def run_round(
        self, entries: Sequence[ReadySlate], replay: Replay, number: int, step_slates: int = STEP_SLATES
    ) -> RoundReport:
        """Learn the entries (oldest first), `step_slates` a step, and judge on the newest share of them.

        `replay` samples older slates.
        """
        steps_skipped = self.tuner.num_skipped
        this = _Round(np.random.default_rng([self._settings.seed, number]), replay, step_slates)
        plan = plan_round(entries, self._settings.judge_frac, self._early)
        for ranker in (self.champion, self.former):
            if ranker is not None:
                ranker.to(self.tuner.device)
        self.tuner.teacher = self.champion
        self.tuner.gradient_cosines = {}
        self._learn(plan.learned, this)
        self.tuner.refit()
        challenger = self.tuner.serving_model()
        gate = self._judge(first_labels(plan.judged, self._early), challenger, this)
        self._learn(plan.judged, this)
        return RoundReport(
            num_slates=len(plan.learned) + len(plan.judged),
            num_judged=len(plan.judged),
            num_skipped=this.num_skipped,
            num_capped=plan.num_capped,
            num_steps_skipped=self.tuner.num_skipped - steps_skipped,
            losses=_mean(this.losses),
            task_weights=self.tuner.objective.task_weights(),
            gradient_cosines=dict(self.tuner.gradient_cosines),
            progressive=progressive_metrics(this.seen, self._tasks),
            gate=gate,
            challenger=challenger.to("cpu"),
            served=Evidence.joined(this.served),
            cells=round_cells(this.seen, self._tasks),
        )

    def _learn(self, slates: Sequence[ReadySlate], this: _Round) -> None:
        for start in range(0, len(slates), this.step_slates):
            of_step = slates[start : start + this.step_slates]
            self._predict(first_labels(of_step, self._early), this)
            new = self._batch(of_step)
            this.num_skipped += new.num_skipped
            older = this.replay(self._settings.replay_slates, this.rng)
            old = self._batch(cap_users(older, MIN_REPLAYED), "replay")
            if not new.batch.num_rows:
                continue
            found = self.tuner.learn(Batch.concat([new.batch, old.batch]))
            if found:
                this.losses.append(found)

    def _predict(self, slates: Sequence[ReadySlate], this: _Round) -> None:
        """Predict rows with labels that nothing has learned from, and calibrate on them.

        Measured is what is final; of tasks learned early the model has seen those rows when they were not.
        """
        found, final = self._batch(slates), self._batch(slates, "judge")
        if not found.batch.num_rows:
            return
        batch = found.batch.to(self.tuner.device)
        champion = None if self.champion is None else predict(self.champion, batch)
        live = to_numpy(self.tuner.predict_then_calibrate(batch), self._tasks)
        live = as_shown(self.tuner.ranker, batch, live)
        this.seen.append(PredictedBatch(final.batch, final.shown_at_ms_S, live, champion))
        if champion is not None:
            this.training.append(self._evidence(final, champion, live))
            if self.former is not None:
                this.served.append(self._evidence(final, predict(self.former, batch), champion))

    def _batch(self, entries: Sequence[ReadySlate], use: Use = "learn") -> BatchOfSlates:
        return to_batch(entries, self._schema, self._tasks, use)

    def _evidence(self, found: BatchOfSlates, before: Predictions, after: Predictions) -> Evidence:
        return evidence_of(self._tasks, found.batch, before, after, groups_of(found.user_ids))

    def _judge(self, slates: Sequence[ReadySlate], challenger: Ranker, this: _Round) -> GateReport:
        """The judging rows are the challenger's own; the model in training predicted those learned before them."""
        found = self._batch(slates, "judge")
        if not found.batch.num_rows:
            return GateReport(is_promoted=False, reason="no rows to judge on; at least two new slates are needed")
        batch = found.batch.to(self.tuner.device)
        after = predict(challenger, batch)
        before = fallback(self.tuner, batch) if self.champion is None else predict(self.champion, batch)
        newest, learned = self._evidence(found, before, after), Evidence.joined(this.training)
        drift = None
        if self.champion is not None:
            drift = score_drift(before[CLICK_TASK], after[CLICK_TASK], found.batch.slate_N.numpy())
        gate = judge(newest, Evidence.joined([*self.window, learned]), this.rng, drift=drift, to_beat=self.to_beat)
        if self.champion is not None:
            self.window = [*self.window, Evidence.joined([learned, newest])][1 - WINDOW_ROUNDS :]
        return gate


def _mean(losses: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = {name for found in losses for name in found}
    return {name: float(np.mean([found[name] for found in losses if name in found])) for name in sorted(names)}
