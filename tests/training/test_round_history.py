import json
from pathlib import Path

from streams.training.round_history import RoundHistory, read_rounds


def numbers(path: Path) -> list[int]:
    return [record["round"] for record in read_rounds(path)]


def test_rounds_are_read_back_in_order_with_numbers_of_six_digits(tmp_path: Path) -> None:
    history = RoundHistory(tmp_path / "trainer")
    history.append({"round": 1, "losses": {"click": 0.123456789}, "cells": [[0, 1, float("nan")]], "why": None})
    history.append({"round": 2, "losses": {}})
    assert read_rounds(history.path) == [
        {"round": 1, "losses": {"click": 0.123457}, "cells": [[0, 1, None]], "why": None},
        {"round": 2, "losses": {}},
    ]


def test_without_a_file_there_are_no_rounds(tmp_path: Path) -> None:
    assert read_rounds(tmp_path / "rounds.jsonl") == []


def test_a_round_that_is_repeated_after_a_crash_counts_once_and_as_it_was_last(tmp_path: Path) -> None:
    history = RoundHistory(tmp_path)
    for record in ({"round": 1, "x": 1}, {"round": 2, "x": 1}, {"round": 2, "x": 2}, {"round": 3, "x": 2}):
        history.append(record)
    assert [(r["round"], r["x"]) for r in read_rounds(history.path)] == [(1, 1), (2, 2), (3, 2)]


def test_a_model_that_was_started_anew_leaves_the_rounds_of_the_one_before_behind(tmp_path: Path) -> None:
    history = RoundHistory(tmp_path)
    for number in (1, 2, 3, 0, 1):
        history.append({"round": number})
    assert numbers(history.path) == [0, 1]


def test_a_line_that_a_kill_tore_costs_that_line_alone(tmp_path: Path) -> None:
    history = RoundHistory(tmp_path)
    history.append({"round": 1})
    with history.path.open("ab") as file:
        file.write(json.dumps({"round": 2, "losses": {"click": 0.5}}).encode()[:20])
    assert numbers(history.path) == [1]
    RoundHistory(tmp_path).append({"round": 2})
    RoundHistory(tmp_path).append({"round": 3})
    assert numbers(history.path) == [1, 2, 3]


def test_a_line_that_is_no_round_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    path.write_bytes(b'[]\n{"round": "x"}\n\xff\xfe\n\n{"round": 7}\n')
    assert numbers(path) == [7]


def test_beyond_its_size_the_older_half_loses_every_second_round(tmp_path: Path) -> None:
    history = RoundHistory(tmp_path, max_bytes=100)  # a line has 12 bytes, 13 from round 10 on
    sizes = []
    for number in range(1, 60):
        history.append({"round": number})
        sizes.append(history.path.stat().st_size)
    assert max(sizes) <= 100
    kept = numbers(history.path)
    assert kept == sorted(set(kept))
    assert kept[0] == 1
    assert kept[-3:] == [57, 58, 59]
