"""The folder of a run: one user at a time, and endpoints that are whole or absent."""

import json
import os
from pathlib import Path

import pytest

from streams.errors import StateError
from streams.supervisor.run_folder import RunFolder


def test_a_folder_in_use_is_refused_with_the_users_pid(tmp_path: Path) -> None:
    first = RunFolder(tmp_path)
    first.lock()

    with pytest.raises(StateError, match=rf"in use by another `freshrank up` \(pid {os.getpid()}\)"):
        RunFolder(tmp_path).lock()
    first.unlock()
    RunFolder(tmp_path).lock()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StateError, match="cannot be used as a data folder"):
        RunFolder(tmp_path / "file" / "below").lock()


def test_locking_removes_endpoints_of_a_run_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "endpoints.json").write_text("{}")
    folder = RunFolder(tmp_path)
    folder.lock()

    assert not folder.endpoints_path.exists()
    folder.unlock()


def test_endpoints_are_replaced_in_one_step(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_endpoints({"gateway": None})
    folder.write_endpoints({"gateway": "http://127.0.0.1:1"})

    assert json.loads(folder.endpoints_path.read_text()) == {"gateway": "http://127.0.0.1:1"}
    assert [path.name for path in tmp_path.iterdir()] == ["endpoints.json"]
