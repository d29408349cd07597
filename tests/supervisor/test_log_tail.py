"""Following logs: whole lines, once, also after a log was set aside."""

import json
from pathlib import Path

from streams.supervisor.log_tail import LogTail


def test_new_whole_lines_are_shown_once_with_the_roles_name(tmp_path: Path) -> None:
    log, shown = tmp_path / "worker-0.log", list[str]()
    log.write_text("before\n")
    tail = LogTail({"worker-0": log, "trainer": tmp_path / "none.log"}, shown.append)
    with log.open("a") as file:
        file.write("one\ntwo\nhal")
        file.flush()
        tail.read()
        file.write("f\n")
        file.flush()
        tail.read()
        tail.read()

    assert shown == ["worker-0  one", "worker-0  two", "worker-0  half"]


def test_a_log_that_was_set_aside_is_read_from_its_start(tmp_path: Path) -> None:
    log, shown = tmp_path / "trainer.log", list[str]()
    log.write_text("a long line of an earlier run\n")
    tail = LogTail({"trainer": log}, shown.append)
    log.write_text("new\n")
    tail.read()

    assert shown == ["trainer   new"]


def test_json_lines_become_words(tmp_path: Path) -> None:
    log, shown = tmp_path / "trainer.log", list[str]()
    tail = LogTail({"trainer": log}, shown.append)
    about = {"timestamp": "2026-11-21T05:51:02.1Z", "role": "trainer", "logger": "streams.training"}
    lines = [
        {**about, "level": "info", "event": "round_ended", "decision": "published", "seconds": 0.3},
        {**about, "level": "error", "event": "trainer_failed", "exception": "Traceback\nValueError: torn"},
        {"level": "info"},
        ["no record of ours"],
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    tail.read()

    assert shown == [
        "trainer   05:51:02 info    round_ended  decision=published seconds=0.3",
        "trainer   05:51:02 error   trainer_failed\nTraceback\nValueError: torn",
        'trainer   {"level": "info"}',
        'trainer   ["no record of ours"]',
    ]
