"""A buffer in the test's folder, and one torch thread, as the trainer has: more would only wait for each other here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from streams.settings import Settings
from streams.training.replay_buffer import ReplayBuffer
from tests.training.buffers import BYTES, OpenBuffer, open_at
from tests.training.trainers import Trainer, settings_in


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def open_buffer(tmp_path: Path) -> Iterator[OpenBuffer]:
    """open_buffer() gives the buffer in the test's folder; the one before is closed first."""
    opened: list[ReplayBuffer] = []

    def reopen(buffer_days: float = 14, buffer_max_bytes: int = BYTES) -> ReplayBuffer:
        for buffer in opened:
            buffer.close()
        opened[:] = [open_at(tmp_path / "buffer", buffer_days, buffer_max_bytes)]
        return opened[0]

    yield reopen
    for buffer in opened:
        buffer.close()


@pytest.fixture
def trainer_settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path / "data")


@pytest.fixture
def trainer(trainer_settings: Settings) -> Iterator[Trainer]:
    made = Trainer(trainer_settings)
    yield made
    made.close()
