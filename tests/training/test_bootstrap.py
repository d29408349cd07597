"""A champion from history: what is learned, when it stops, what it says of itself, and how the trainer goes on."""

import dataclasses
import json

import msgspec
import pytest
import torch
from structlog.testing import capture_logs
from typer.testing import CliRunner

from models.tasks import DEFAULT_TASKS, task_hash
from streams.cli import app
from streams.errors import InputFileError, StateError
from streams.settings import LabelSettings, Settings
from streams.training.bootstrap import Patience
from streams.training.bootstrap_job import Bootstrapped, run_bootstrap
from streams.training.buffered_slate import ReadySlate
from streams.training.history import split_by_time
from streams.training.replay_buffer import ReplayBuffer
from streams.training.round_history import read_rounds
from streams.training.rounds import Rounds
from tests.training.buffers import OpenBuffer, learnable, put
from tests.training.slates import START_MS
from tests.training.taste_world import ready_slates, with_labels
from tests.training.trainers import PER_ROUND, Trainer

QUICK = Patience(max_passes=2, num_checks=2)
NUM_SLATES = 640
USUAL_S = 20.0


def bootstrapped(settings: Settings, patience: Patience = QUICK) -> tuple[Bootstrapped, list[str]]:
    told: list[str] = []
    return run_bootstrap(settings, patience, 5_000, lambda _, words: told.append(words)), told


def filled(settings: Settings, num: int = NUM_SLATES) -> Settings:
    """The data folder of a trainer that took slates in, ran two rounds and was stopped."""
    trainer = Trainer(settings)
    trainer.feed(ready_slates(num))
    for _ in range(2):
        trainer.rounds.run(PER_ROUND, 1_000)
    trainer.buffer.close()
    return settings


def turned(entry: ReadySlate) -> ReadySlate:
    """Clicked what was passed, and passed what was clicked; long visits were short, and short ones long."""
    clicked = with_labels(entry, "click", [1 - v for v in entry.slate.labels["click"].values])
    dwell = entry.slate.labels["dwell"]
    short = msgspec.structs.replace(dwell, values=[USUAL_S**2 / seconds for seconds in dwell.values])
    return dataclasses.replace(
        clicked, slate=dataclasses.replace(clicked.slate, labels={**clicked.slate.labels, "dwell": short})
    )


def foreign(entry: ReadySlate) -> ReadySlate:
    """Captured with other features."""
    shown = msgspec.structs.replace(entry.slate.shown[0], feature_schema="other")
    return dataclasses.replace(entry, slate=dataclasses.replace(entry.slate, shown=(shown,)))


def reopened(settings: Settings) -> tuple[ReplayBuffer, Rounds]:
    buffer = ReplayBuffer(settings.data_dir / "buffer", buffer_days=14, buffer_max_bytes=1 << 30)
    return buffer, Rounds(settings, buffer)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Bootstrapped, list[str]]:
    training = {"device": "cpu", "round_slates": PER_ROUND, "round_interval_s": None, "replay_slates": 16}
    catalogue = {"affinity": ("category",), "numbers": ("price",)}
    folder = tmp_path_factory.mktemp("history")
    settings = filled(Settings.model_validate({"data_dir": folder, "catalogue": catalogue, "training": training}))
    return settings, *bootstrapped(settings, Patience(max_passes=6, num_checks=2))


def test_history_is_cut_by_event_time_and_not_by_arrival(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    for number in [*range(10, 20), *range(10)]:
        put(buffer, *learnable(f"s{number}", START_MS + number))
    history = split_by_time(buffer)
    parts = [
        [entry.slate.slate_id for block in history.blocks(part) for entry in block]
        for part in (history.train, history.validation, history.test)
    ]
    assert parts == [[f"s{number}" for number in numbers] for numbers in (range(16), range(16, 18), range(18, 20))]


def test_the_parts_are_measured_and_all_of_them_learned(learned: tuple[Settings, Bootstrapped, list[str]]) -> None:
    report = learned[1].report
    assert (report.num_train, report.num_validation, report.num_test, report.num_learned) == (512, 64, 64, 640)
    rows = [part["click"]["rows"] for part in (report.train, report.validation, report.test, report.test_in_stream)]
    assert rows == [5120.0, 640.0, 640.0, 640.0]
    assert report.test["click"]["auc"] > 0.7
    assert report.test["click"]["auc"] > report.train["click"]["auc"]
    assert {"click", "dwell", "cart"} <= set(report.test)


def test_passes_go_on_while_the_validation_loss_falls_and_the_best_weights_are_kept(
    learned: tuple[Settings, Bootstrapped, list[str]],
) -> None:
    report, told = learned[1].report, learned[2]
    passes, losses = zip(*report.curve, strict=True)
    assert passes[-1] > 1
    assert dict(report.curve)[report.best_after_passes] == min(losses)
    assert report.stopped
    assert told[0].startswith("pass 0.")


def test_no_pass_follows_one_that_brought_nothing(trainer_settings: Settings) -> None:
    """Validation labels turned round: the more is learned, the worse it gets."""
    trainer = Trainer(trainer_settings)
    slates = ready_slates(NUM_SLATES)
    chosen = {e.seq for e in slates if NUM_SLATES * 0.8 < e.seq <= NUM_SLATES * 0.9}
    trainer.feed([turned(e) if e.seq in chosen else e for e in slates])
    trainer.buffer.close()
    report = bootstrapped(trainer_settings, Patience(max_passes=9, num_checks=3))[0].report
    assert report.best_after_passes <= 1
    assert report.curve[-1][0] <= 2
    assert "did not fall" in report.stopped


def test_the_result_is_the_champion_without_a_gate_and_the_trainer_goes_on_from_it(
    learned: tuple[Settings, Bootstrapped, list[str]],
) -> None:
    settings, done, _ = learned
    buffer, rounds = reopened(settings)
    about = rounds.registry.about(done.version)
    assert (about["cause"], about["published_at_ms"]) == ("bootstrap", 5_000)
    assert about["report"]["gate"]["reason"] == "retrained from history, without a gate"
    assert about["report"]["bootstrap"] == json.loads(json.dumps(done.report.as_json()))
    assert rounds.registry.champions().version == rounds.succession.champion == done.version
    assert (rounds.progress.cursor, rounds.progress.num_rounds, rounds.num_waiting) == (buffer.last_seq, 0, 0)
    champion, live = rounds.learner.champion, rounds.learner.tuner.serving_model()
    assert champion is not None
    assert [n for n, held in live.state_dict().items() if not torch.equal(held, champion.state_dict()[n])] == []
    buffer.close()
    trainer = Trainer(settings)
    trainer.feed(ready_slates(PER_ROUND, 7))
    report = trainer.reports()[0]
    assert report.progressive["click"]["auc"] > 0.7
    assert report.num_slates == PER_ROUND
    trainer.buffer.close()


def test_the_history_of_rounds_begins_anew_with_what_was_learned(
    learned: tuple[Settings, Bootstrapped, list[str]],
) -> None:
    settings, done, _ = learned
    first, *_ = read_rounds(settings.data_dir / "trainer" / "rounds.jsonl")
    assert (first["round"], first["version"], first["at_ms"], first["decision"]) == (
        0,
        done.version,
        5_000,
        "published",
    )
    rows = sum(cell[2] for cell in first["cells"]["click"])
    assert rows == done.report.test_in_stream["click"]["rows"] == first["progressive"]["click"]["rows"]


def test_other_tasks_are_refused_with_both_hashes_and_learned_from_history(trainer_settings: Settings) -> None:
    filled(trainer_settings)
    other = trainer_settings.model_copy(update={"labels": LabelSettings(tasks=DEFAULT_TASKS[:3])})
    with capture_logs() as logs:
        buffer, rounds = reopened(other)
    buffer.close()
    assert rounds.progress.cursor == 0
    reason = next(entry["reason"] for entry in logs if entry["event"] == "trainer_state_refused")
    for said in (task_hash(DEFAULT_TASKS), task_hash(DEFAULT_TASKS[:3]), "freshrank trainer --bootstrap"):
        assert said in reason
    done = bootstrapped(other)[0]
    buffer, rounds = reopened(other)
    assert (rounds.succession.champion, rounds.num_waiting) == (done.version, 0)
    assert rounds.learner.champion is not None
    buffer.close()


def test_slates_with_other_features_are_skipped_and_counted(trainer_settings: Settings) -> None:
    trainer = Trainer(trainer_settings)
    slates = ready_slates(400)
    trainer.feed([foreign(e) if e.seq <= 200 else e for e in slates])
    trainer.buffer.close()
    report = bootstrapped(trainer_settings)[0].report
    assert (report.num_learned, report.num_skipped) == (200, 200)


def test_nothing_to_learn_from_says_how_to_fill_the_buffer(trainer_settings: Settings) -> None:
    with pytest.raises(InputFileError, match=r"does not exist: there is no history.*fill it first: let `freshrank up`"):
        bootstrapped(trainer_settings)
    filled(trainer_settings, num=99)
    with pytest.raises(InputFileError, match=r"holds 99 slates to learn from, at least 100 are needed; fill it first"):
        bootstrapped(trainer_settings)


def test_history_of_other_features_alone_publishes_nothing(trainer_settings: Settings) -> None:
    trainer = Trainer(trainer_settings)
    trainer.feed([foreign(e) for e in ready_slates(150)])
    trainer.buffer.close()
    with pytest.raises(InputFileError, match=r"150 of 150 slates .* were captured with other features"):
        bootstrapped(trainer_settings)
    assert trainer.rounds.registry.numbers() == []


def test_a_trainer_that_runs_keeps_the_buffer_to_itself(trainer: Trainer) -> None:
    with pytest.raises(StateError, match="one trainer must hold it alone: stop the other one"):
        bootstrapped(trainer.settings)


def test_the_command_prints_the_report_as_json(trainer_settings: Settings) -> None:
    filled(trainer_settings, 200)
    arguments = ["trainer", "--bootstrap", "--max-passes", "1", "--json"]
    done = CliRunner().invoke(app, arguments, env=trainer_settings.to_env(), catch_exceptions=False)
    found = json.loads(done.stdout)
    assert (done.exit_code, found["champion_version"], found["num_learned"]) == (0, 1, 200)
    assert set(found["test"]["click"]) >= {"normalised_entropy", "auc", "pcoc"}
