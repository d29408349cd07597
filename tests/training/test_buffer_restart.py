import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streams.errors import StateError
from streams.training.replay_buffer import AppendReport
from tests.training.buffers import HISTORY, OpenBuffer, Record, open_at, put
from tests.training.slates import labels, shown

FILLER = """
import sys
from pathlib import Path
from streams.training.replay_buffer import ReplayBuffer
from tests.training.slates import labels, shown
buffer = ReplayBuffer(Path(sys.argv[1]), buffer_days=14, buffer_max_bytes=1 << 30)
start = buffer.next_offset(0) or 0
for k in range(start, 100_000, 2):
    buffer.append(0, [(k, shown(f"s{k}")), (k + 1, labels(f"s{k}", "click", {"a": 1, "b": 0}))], k + 2)
    print(k + 2, flush=True)
"""


def test_records_below_the_stored_offset_are_skipped_exactly(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    records: list[tuple[int, Record]] = [(7, shown("s1")), (9, labels("s1", "click", {"a": 1, "b": 0}))]
    buffer.append(3, records, 12)
    again: list[tuple[int, Record]] = [*records, (11, shown("s2")), (12, shown("s3"))]
    assert buffer.append(3, again, 13) == AppendReport(1, 3, 0)
    assert buffer.append(4, [(0, shown("s4"))], 1) == AppendReport(1, 0, 0)
    assert buffer.append(3, [], 5) == AppendReport(0, 0, 0)
    assert (buffer.num_slates, buffer.next_offset(3), buffer.next_offset(4)) == (3, 13, 1)
    assert buffer.next_offset(5) is None


def test_reopened_it_goes_on_where_it_was(open_buffer: OpenBuffer) -> None:
    buffer = open_buffer()
    put(buffer, *HISTORY)
    put(buffer, labels("s2", "click", {"a": 1, "b": 0}, revision=2, user_id="v"))
    before = (buffer.ready(0, 100), buffer.num_ready(3), buffer.last_seq, buffer.num_bytes, buffer.num_slates)
    drawn = buffer.sample(5, np.random.default_rng(3), 1000)
    assert len(drawn) == 2
    buffer = open_buffer()
    assert before == (buffer.ready(0, 100), buffer.num_ready(3), buffer.last_seq, buffer.num_bytes, buffer.num_slates)
    assert buffer.sample(5, np.random.default_rng(3), 1000) == drawn
    assert buffer.next_offset(0) == len(HISTORY) + 1


def test_killed_at_any_time_it_has_lost_and_doubled_nothing(tmp_path: Path) -> None:
    for num_lines in (3, 40):
        command = [sys.executable, "-c", FILLER, str(tmp_path / "buffer")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline()) for _ in range(num_lines)]
            os.kill(process.pid, signal.SIGKILL)
        buffer = open_at(tmp_path / "buffer")
        next_offset = buffer.next_offset(0) or 0
        assert next_offset >= told[-1]
        assert [e.slate.slate_id for e in buffer.ready(0, 1 << 20)] == [f"s{k}" for k in range(0, next_offset, 2)]
        assert buffer.num_slates == buffer.num_ready(0) == next_offset // 2
        buffer.close()


def test_a_folder_that_another_process_holds_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILLER, str(tmp_path / "buffer")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(StateError, match="one trainer must hold it alone"):
            open_at(tmp_path / "buffer")
        process.kill()
