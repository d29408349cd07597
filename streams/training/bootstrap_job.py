"""`freshrank trainer --bootstrap` from data folder to champion: open the buffer, learn it, publish, reset the state.

No gate: there may be no champion to compare with, or one of other features; the report has the test figures instead.
Kafka is not needed: the next trainer announces the version when it starts. The version is on disk before the state, so
a kill between the two leaves a champion that the trainer's former state goes on beside.

Started by torchrun, several processes learn together (models/peers.py): the first holds the buffer and publishes, the
others read beside it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from models.peers import Peers, peers_of_torchrun
from models.tasks import task_hash
from streams.errors import InputFileError
from streams.settings import Settings
from streams.training.bootstrap import BootstrapReport, Patience, Tell, learn_history
from streams.training.evidence import Evidence
from streams.training.gate import GateReport
from streams.training.history import History, split_by_time
from streams.training.learner import Learner, RoundReport
from streams.training.registry import Registry
from streams.training.replay_buffer import ReplayBuffer
from streams.training.round_journal import RoundJournal
from streams.training.trainer_state import Progress, save_state

__all__ = ["Bootstrapped", "run_bootstrap"]

# Fewer could not be cut into three parts that say anything.
MIN_SLATES = 100
FILL = (
    "fill it first: let `freshrank up` or `freshrank trainer` run while events come in, or send a log with "
    "`freshrank replay FILE --wait --close-windows`; then stop the trainer and repeat"
)


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """The version that is the champion now, and how it was made."""

    version: int
    report: BootstrapReport


def run_bootstrap(settings: Settings, patience: Patience, published_at_ms: int, tell: Tell) -> Bootstrapped | None:
    """Retrain from history; None in a process of torchrun that is not the first.

    Raises InputFileError for too little of it, StateError while a trainer runs.
    """
    torch.set_num_threads(settings.training.threads)
    folder = settings.data_dir / "buffer"
    if not folder.exists():
        raise InputFileError(f"{folder} does not exist: there is no history to learn from; {FILL}")
    is_on_gpu = settings.training.device != "cpu" and torch.cuda.is_available()
    with peers_of_torchrun(is_on_gpu=is_on_gpu) as peers, _opened(settings, folder, peers) as buffer:
        history = split_by_time(buffer)
        _check_size(history, folder)
        return _learn_and_publish(settings, history, patience, published_at_ms=published_at_ms, tell=tell, peers=peers)


@contextmanager
def _opened(settings: Settings, folder: Path, peers: Peers | None) -> Iterator[ReplayBuffer]:
    """The buffer; the first process holds it before others open it to read, until all are done."""
    is_first = peers is None or peers.rank == 0
    days, max_bytes = settings.training.buffer_days, settings.training.buffer_max_bytes
    if peers is not None and not is_first:
        peers.wait()
    buffer = ReplayBuffer(folder, buffer_days=days, buffer_max_bytes=max_bytes, is_read_only=not is_first)
    if peers is not None and is_first:
        peers.wait()
    try:
        yield buffer
    finally:
        buffer.close()


def _learn_and_publish(
    settings: Settings,
    history: History,
    patience: Patience,
    *,
    published_at_ms: int,
    tell: Tell,
    peers: Peers | None,
) -> Bootstrapped | None:
    schema, tasks = settings.catalogue.schema_, settings.labels.tasks
    tuner = Learner(settings.training, schema, tasks).tuner
    is_first = peers is None or peers.rank == 0
    if peers is not None:
        tuner.join(peers)
    report = learn_history(tuner, history, patience, tell if is_first else _untold)
    if report.num_learned < MIN_SLATES:
        raise InputFileError(
            f"{report.num_skipped} of {history.num_slates} slates in the replay buffer were captured with other "
            f"features than {schema.hash}; at least {MIN_SLATES} with these are needed; {FILL}"
        )
    if not is_first:
        return None
    facts = RoundReport(
        num_slates=report.num_learned,
        num_judged=0,
        num_skipped=report.num_skipped,
        num_capped=history.num_slates - report.num_learned - report.num_skipped,
        num_steps_skipped=report.num_steps_skipped,
        losses={},
        task_weights=tuner.objective.task_weights(),
        gradient_cosines={},
        progressive=report.test_in_stream,
        gate=GateReport(is_promoted=True, reason="retrained from history, without a gate"),
        challenger=tuner.serving_model().to("cpu"),
        served=Evidence(),
        cells=report.cells,
    )
    registry = Registry(settings.data_dir / "models", settings.training.keep_versions)
    told = {**facts.as_json(), "bootstrap": report.as_json()}
    extra = {"round": 0, "cause": "bootstrap", "published_at_ms": published_at_ms, "report": told}
    version = registry.publish(facts.challenger, extra)
    journal = RoundJournal(settings.data_dir, tasks, next_round=0)
    journal.write(facts, 0, version, published_at_ms)
    journal.close()
    progress = Progress(history.buffer.last_seq, 0, schema.hash, task_hash(tasks), champion=version)
    save_state(settings.data_dir / "trainer", tuner.state_dict(), progress)
    return Bootstrapped(version, report)


def _untold(_: float, __: str) -> None:
    """One process tells."""


def _check_size(history: History, folder: Path) -> None:
    if history.num_slates < MIN_SLATES:
        raise InputFileError(
            f"the replay buffer in {folder} holds {history.num_slates} slates to learn from, at least {MIN_SLATES} are "
            f"needed; {FILL}"
        )
