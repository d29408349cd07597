"""What every round came to, on disk: `rounds.jsonl` beside the trainer's state, one JSON object a line.

A line is appended before the state of its round is saved, so no round is missing after a kill; one that is repeated
stands there twice, and the later line counts. A line that a kill tore is passed over. Beyond `max_bytes` the older half
loses every second round, again and again: the beginning stays, ever coarser.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["HISTORY_FILE", "RoundHistory", "read_rounds"]

HISTORY_FILE = "rounds.jsonl"
MAX_BYTES = 32 << 20
NUM_DIGITS = 6


class RoundHistory:
    """The file in one folder, to be appended to by one process. Raises OSError when the disk refuses."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path, self._max_bytes = folder / HISTORY_FILE, max_bytes

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one round. `record["round"]` is its number: earlier lines of this or a higher number no longer count."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            is_torn = file.tell() > 0 and not _ends_a_line(self.path)
            file.write((b"\n" if is_torn else b"") + _line(record))
            size = file.tell()
        if size > self._max_bytes:
            self._thin()

    def _thin(self) -> None:
        records = read_rounds(self.path)
        num_older = len(records) // 2
        aside = self.path.with_suffix(f".{os.getpid()}.tmp")
        aside.write_bytes(b"".join(map(_line, [*records[:num_older:2], *records[num_older:]])))
        aside.replace(self.path)


def read_rounds(path: Path) -> list[dict[str, Any]]:
    """The rounds in order of their numbers; none when there is no file.

    A round takes the place of those of its number and above: they are of a state that was lost, or of a model that was
    started anew since.
    """
    found: list[dict[str, Any]] = []
    if not path.exists():
        return found
    with path.open("rb") as file:
        for line in file:
            record = _record(line)
            if record is None:
                continue
            while found and found[-1]["round"] >= record["round"]:
                found.pop()
            found.append(record)
    return found


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("round"), int) else None


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(_short(record), separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _short(value: Any) -> Any:
    """With numbers of a few digits, which is all that a chart shows; what is not finite is null."""
    if isinstance(value, Mapping):
        return {name: _short(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_short(one) for one in value]
    if isinstance(value, float):
        short = float(f"{value:.{NUM_DIGITS}g}")
        return None if short != short or short in {float("inf"), float("-inf")} else short  # noqa: PLR0124  NaN
    return value
