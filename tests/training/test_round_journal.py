"""The journal of real rounds: what stands in the history and in TensorBoard, also after a kill and on a bad disk."""

import shutil
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from streams.settings import Settings
from streams.training.round_history import read_rounds
from streams.training.tensorboard_log import scalars_of
from tests.training.taste_world import ready_slates
from tests.training.trainers import PER_ROUND, Trainer


def rounds_of(settings: Settings) -> list[dict[str, Any]]:
    return read_rounds(settings.data_dir / "trainer" / "rounds.jsonl")


def events_of(settings: Settings) -> EventAccumulator:
    events = EventAccumulator(str(settings.data_dir / "tensorboard"), size_guidance={"scalars": 0, "histograms": 0})
    events.Reload()
    return events


def test_each_round_leaves_one_line_with_losses_metrics_weights_cells_and_the_gate(trainer: Trainer) -> None:
    trainer.feed(ready_slates(3 * PER_ROUND))
    published = trainer.run_due()
    found = rounds_of(trainer.settings)
    assert [(r["round"], r["at_ms"], r["version"]) for r in found] == [
        (number, 1_000, version) for number, version in enumerate(published, 1)
    ]
    first, second = found[:2]
    assert {"click", "cart", "total", "gradient_norm"} <= set(first["losses"])
    assert {"auc", "log_loss", "ndcg_at_10", "mrr", "pcoc"} <= set(first["progressive"]["click"])
    assert first["task_weights"]["click"] == 1.0
    assert sum(cell[2] for cell in first["cells"]["click"]) == 10 * PER_ROUND
    assert first["gate"]["reason"]
    assert first["decided"] == {}
    assert set(second["decided"]["click"]) == {"threshold", "accuracy", "precision", "recall", "f1"}


def test_tensorboard_has_every_round_as_a_step_with_losses_metrics_and_histograms(trainer: Trainer) -> None:
    trainer.feed(ready_slates(3 * PER_ROUND))
    trainer.run_due()
    events, found = events_of(trainer.settings), rounds_of(trainer.settings)
    loss = [(event.step, event.value) for event in events.Scalars("validation_log_loss/click")]
    assert [step for step, _ in loss] == [1, 2, 3]
    assert [round(value, 4) for _, value in loss] == [round(r["progressive"]["click"]["log_loss"], 4) for r in found]
    assert {"train_loss/click", "task_weight/cart", "validation_f1/click", "gate/is_promoted", "round/num_slates",
            "validation_ndcg_at_10/click", "gate_change/click"} <= set(events.Tags()["scalars"])  # fmt: skip
    histogram = events.Histograms("predictions/click")[0].histogram_value
    assert (histogram.num, sum(histogram.bucket)) == (10 * PER_ROUND, 10 * PER_ROUND)


def test_tags_are_figure_and_task_and_what_is_unknown_has_none() -> None:
    record = {
        "losses": {"click": 0.9}, "task_weights": {"click": 1.0}, "gradient_cosines": {"click/cart": 0.25},
        "gate": {"tasks": {"click": {"change": None}}}, "decision": "published", "num_slates": 8, "num_capped": 0,
        "num_skipped": 1, "num_steps_skipped": 2, "progressive": {"click": {"auc": 0.7, "champion_auc": 0.6}},
        "decided": {"click": {"f1": 0.3}},
    }  # fmt: skip
    assert scalars_of(record) == {
        "train_loss/click": 0.9, "task_weight/click": 1.0, "gradient_cosine/click-cart": 0.25, "gate/is_promoted": 1.0,
        "round/num_slates": 8, "round/num_capped": 0, "round/num_skipped": 1, "round/num_steps_skipped": 2,
        "validation_auc/click": 0.7, "champion_auc/click": 0.6, "validation_f1/click": 0.3,
    }  # fmt: skip


def test_a_round_that_a_kill_repeats_is_in_both_once(trainer: Trainer) -> None:
    trainer.feed(ready_slates(4 * PER_ROUND))
    trainer.rounds.run(PER_ROUND, 1_000)
    folder = trainer.settings.data_dir / "trainer"
    kept = trainer.settings.data_dir / "kept"
    shutil.copytree(folder / "00000001", kept)
    trainer.rounds.run(PER_ROUND, 1_000)
    straight = rounds_of(trainer.settings)
    shutil.rmtree(folder / "00000002")
    shutil.rmtree(folder / "00000001")
    kept.rename(folder / "00000001")
    trainer.reopen()
    trainer.run_due()
    assert rounds_of(trainer.settings)[:2] == straight
    assert [r["round"] for r in rounds_of(trainer.settings)] == [1, 2, 3, 4]
    assert [event.step for event in events_of(trainer.settings).Scalars("round/num_slates")] == [1, 2, 3, 4]


def test_a_disk_that_refuses_is_told_and_the_rounds_go_on(trainer_settings: Settings) -> None:
    """A file where the folder should be, and a folder where the file should be."""
    data_dir: Path = trainer_settings.data_dir
    (data_dir / "trainer" / "rounds.jsonl").mkdir(parents=True)
    (data_dir / "tensorboard").write_text("")
    trainer = Trainer(trainer_settings)
    trainer.feed(ready_slates(2 * PER_ROUND))
    with capture_logs() as logs:
        trainer.run_due()
    told = [(entry["event"], entry["round"]) for entry in logs if entry["event"].endswith("_not_written")]
    assert told == [
        (event, number) for number in (1, 2) for event in ("round_history_not_written", "tensorboard_not_written")
    ]
    assert trainer.rounds.progress.num_rounds == 2
    (data_dir / "tensorboard").unlink()
    trainer.feed(ready_slates(PER_ROUND, seed=1))
    trainer.run_due()
    assert [event.step for event in events_of(trainer_settings).Scalars("round/num_slates")] == [3]
    trainer.close()
