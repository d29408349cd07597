"""The trainer's own checkpoint: everything to go on after a kill as if nothing had happened.

Holds the learner's weights, averages, optimiser and calibration, and up to which entry of the buffer it has learned.
A kill during a round repeats the round from here; entries, seed and state being the same, so is the result.
"""

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog
import torch

from models.checkpoint import read_tensors, write_tensors
from models.checkpoint_errors import CheckpointError

__all__ = ["RETRAIN", "Progress", "load_state", "save_state"]

log = structlog.get_logger(__name__)
# A newest state that is damaged on disk leaves the one before it.
KEEP = 2
RETRAIN = (
    "an empty model learns from here on: stop the trainer and run `freshrank trainer --bootstrap` to retrain from "
    "history, or deploy what wrote it"
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the trainer is. `cursor`: sequence number of the last learned entry; hashes as in a checkpoint.

    `champion`: the version that later challengers met until now, `to_beat`: why it was restored, or ""; `watch`: facts
    of the watch over what serves (live_watch.py).
    """

    cursor: int = 0
    num_rounds: int = 0
    feature_schema: str = ""
    tasks: str = ""
    champion: int = 0
    to_beat: str = ""
    watch: dict[str, int] = field(default_factory=dict)


def save_state(folder: Path, tensors: dict[str, torch.Tensor], progress: Progress) -> None:
    """Write the state of a round, atomically; all others leave but the one before it."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{progress.num_rounds:08d}"
    if target.exists():
        shutil.rmtree(target)
    write_tensors(target, tensors, {"progress": asdict(progress)})
    kept = range(progress.num_rounds - KEEP + 1, progress.num_rounds + 1)
    for other in _rounds(folder):
        # A higher number is of a model that was started anew since: it must not be found first.
        if int(other.name) not in kept:
            shutil.rmtree(other)


def load_state(folder: Path, feature_schema: str, tasks: str) -> tuple[dict[str, torch.Tensor], Progress] | None:
    """The newest state that is whole and fits these features and tasks; None when there is none.

    A damaged one is passed over with a warning: the one before it repeats a round.
    """
    for candidate in reversed(_rounds(folder)):
        try:
            tensors, facts = read_tensors(candidate)
            progress = Progress(**facts["progress"])
        except (CheckpointError, KeyError, TypeError) as error:
            log.warning("trainer_state_refused", folder=str(candidate), reason=str(error))
            continue
        if (progress.feature_schema, progress.tasks) != (feature_schema, tasks):
            log.warning(
                "trainer_state_refused",
                folder=str(candidate),
                reason=f"made for features {progress.feature_schema} and tasks {progress.tasks}; this code and these "
                f"settings have features {feature_schema} and tasks {tasks}; {RETRAIN}",
            )
            return None
        return tensors, progress
    return None


def _rounds(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.name.isdigit()) if folder.exists() else []
