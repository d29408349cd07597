import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.errors import InputFileError
from streams.events.log_file import MAX_LINE_BYTES, LogFile


def test_lines_are_numbered_from_one_and_blank_ones_left_out(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(b'{"a":1}\r\n\n  \n{"b":2}')
    assert list(LogFile(file)) == [(1, b'{"a":1}'), (4, b'{"b":2}')]


def test_gzip_is_told_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(gzip.compress(b"one\ntwo\n") + gzip.compress(b"three\n"))
    assert [line for _, line in LogFile(file)] == [b"one", b"two", b"three"]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.touch()
    assert list(LogFile(file)) == []


def test_a_gzip_file_that_breaks_off_gives_its_lines_and_then_an_error_naming_the_last(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl.gz"
    whole = gzip.compress(b"".join(b"%d %d\n" % (k, k * 7919 % 1013) for k in range(50_000)))
    file.write_bytes(whole[: len(whole) // 2])
    lines = iter(LogFile(file))
    assert next(lines) == (1, b"0 0")
    with pytest.raises(
        InputFileError, match=r"log\.jsonl\.gz: the gzip stream breaks off after line \d+ .*copy it again"
    ):
        list(lines)


def test_a_gzip_file_with_damaged_bytes_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl.gz"
    whole = bytearray(gzip.compress(b"one\ntwo\n" * 1000))
    whole[20:30] = b"\xff" * 10
    file.write_bytes(whole)
    with pytest.raises(InputFileError, match="breaks off after line"):
        list(LogFile(file))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_line_without_end_is_an_error_and_not_read_whole(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(pack(b"one\n" + b" " * (MAX_LINE_BYTES + 1)))
    lines = iter(LogFile(file))
    assert next(lines) == (1, b"one")
    with pytest.raises(InputFileError, match=r"line 2 has more than 16777216 bytes; needed one JSON object a line"):
        next(lines)


@pytest.mark.parametrize(("name", "why"), [("none.jsonl", "No such file"), (".", "Is a directory")])
def test_a_path_that_cannot_be_read_is_an_error_that_says_why(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(InputFileError, match=f"cannot be read \\({why}.*name a readable file"):
        list(LogFile(tmp_path / name))


@pytest.mark.parametrize("content", [b"one\ntwo\n", gzip.compress(b"one\ntwo\n")], ids=["plain", "gzip"])
def test_a_dash_is_standard_input(content: bytes) -> None:
    program = "from streams.events.log_file import LogFile; print(list(LogFile('-')))"
    done = subprocess.run([sys.executable, "-c", program], input=content, capture_output=True, check=True)
    assert done.stdout == b"[(1, b'one'), (2, b'two')]\n"


def test_how_much_was_read_is_known_for_files_and_not_for_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"x" * 99 + b"\n" + b"y" * 300_000)
    log = LogFile(file)
    assert log.read_frac == 0
    lines = iter(log)
    next(lines)
    assert 0 < (log.read_frac or 0) < 1
    list(lines)
    assert log.read_frac == 1
    assert LogFile("-").read_frac is None
