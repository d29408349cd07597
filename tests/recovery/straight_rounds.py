"""A trainer's rounds without any interruption, in this process: what one that was disturbed must end with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from streams.examples.records import decode_record
from streams.settings import Settings
from streams.training.replay_buffer import ReplayBuffer
from streams.training.rounds import Rounds
from tests.recovery.example_records import ROUND_SLATES

__all__ = ["open_buffer", "straight_state"]


def open_buffer(folder: Path) -> ReplayBuffer:
    """A trainer's replay buffer."""
    return ReplayBuffer(folder, buffer_days=14, buffer_max_bytes=1 << 30)


def straight_state(
    settings: Settings, records: Sequence[Any], num_rounds: int, folder: Path
) -> dict[str, torch.Tensor]:
    """The trainer's state after the same records and so many rounds over them, all records taken in first."""
    # As the trainer has: sums over several threads differ in the last bit.
    torch.set_num_threads(settings.training.threads)
    buffer = open_buffer(folder / "buffer")
    examples = [(record.offset, decode_record(record.value)) for record in records]
    buffer.append(0, examples, records[-1].offset + 1)
    rounds = Rounds(settings.model_copy(update={"data_dir": folder}), buffer)
    for _ in range(num_rounds):
        rounds.run(ROUND_SLATES, 0)
    buffer.close()
    return rounds.learner.tuner.state_dict()
