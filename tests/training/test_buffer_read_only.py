from pathlib import Path

import pytest

from streams.errors import StateError
from streams.training.replay_buffer import ReplayBuffer
from tests.training.buffers import OpenBuffer, learnable, put


def beside(tmp_path: Path) -> ReplayBuffer:
    return ReplayBuffer(tmp_path / "buffer", buffer_days=14, buffer_max_bytes=1 << 30, is_read_only=True)


def slate_ids(buffer: ReplayBuffer) -> list[str]:
    return [slate.slate.slate_id for slate in buffer.history(buffer.by_event_time())]


def test_a_reader_sees_what_the_holder_has_written_and_nothing_that_comes_later(
    open_buffer: OpenBuffer, tmp_path: Path
) -> None:
    holder = open_buffer()
    put(holder, *learnable("s1", 1_000))
    put(holder, *learnable("s2", 2_000))
    reader = beside(tmp_path)
    put(holder, *learnable("s3", 3_000))
    assert (slate_ids(reader), reader.num_slates) == (["s1", "s2"], 2)
    assert slate_ids(holder) == ["s1", "s2", "s3"]
    reader.close()


def test_without_a_buffer_there_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="could not be opened"):
        beside(tmp_path)
