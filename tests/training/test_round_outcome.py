"""What a round comes to is on the metrics: floods, foreign slates, versions taken back."""

import dataclasses

import msgspec
import numpy as np

from models.tasks import DEFAULT_TASKS
from streams.observability.metrics import TrainerMetrics
from streams.settings import TrainingSettings
from streams.training.buffered_slate import ReadySlate
from streams.training.learner import Learner
from streams.training.live_watch import LiveReport
from streams.training.round_outcome import tell_round
from streams.training.user_cap import MIN_SLATES
from tests.training.taste_world import SCHEMA, ready_slates


def no_replay(num: int, rng: np.random.Generator) -> list[ReadySlate]:
    return []


def of_flood(entry: ReadySlate) -> ReadySlate:
    return dataclasses.replace(entry, slate=dataclasses.replace(entry.slate, user_id="flood"))


def foreign(entry: ReadySlate) -> ReadySlate:
    shown = msgspec.structs.replace(entry.slate.shown[0], feature_schema="other")
    return dataclasses.replace(entry, slate=dataclasses.replace(entry.slate, shown=(shown,)))


def test_slates_left_out_and_versions_taken_back_are_counted_and_told() -> None:
    slates = ready_slates(96)
    entries = [*map(foreign, slates[:3]), *slates[3:60], *map(of_flood, slates[60:])]
    learner = Learner(TrainingSettings(device="cpu"), SCHEMA, DEFAULT_TASKS[:1])
    report = learner.run_round(entries, no_replay, 1)
    metrics = TrainerMetrics()
    refused = tell_round(metrics, report, None, 0.5)
    live = LiveReport(former=4, rounds=2, restored=True, reason="against version 4: click is worse")
    restored = tell_round(metrics, dataclasses.replace(report, live=live), None, 0.5)
    values = {
        name: metrics.registry.get_sample_value(f"freshrank_{name}_total")
        for name in ("slates_capped", "slates_skipped", "rollbacks")
    }
    assert values == {"slates_capped": 2.0 * (36 - MIN_SLATES), "slates_skipped": 6.0, "rollbacks": 1.0}
    assert (refused["decision"], restored["decision"]) == ("refused", "rolled_back")
    assert (refused["num_capped"], restored["live"]["former"]) == (36 - MIN_SLATES, 4)
