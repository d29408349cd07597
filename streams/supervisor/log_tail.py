"""Follows the logs of the roles and shows what is new, each line with the role's name before it.

The files hold JSON, for machines; here a line becomes time, level, event and fields, for a person.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["LogTail"]


class LogTail:
    """Shows whole lines written after construction. A log that was set aside (it shrank) is read from its start."""

    def __init__(self, paths: Mapping[str, Path], show: Callable[[str], None]) -> None:
        self._paths, self._show = dict(paths), show
        self._read_bytes = {name: _size(path) for name, path in self._paths.items()}

    def read(self) -> None:
        """Show what was added since the last call."""
        for name, path in self._paths.items():
            size = _size(path)
            if size < self._read_bytes[name]:
                self._read_bytes[name] = 0
            if size > self._read_bytes[name]:
                self._show_lines(name, path)

    def _show_lines(self, name: str, path: Path) -> None:
        with path.open("rb") as log:
            log.seek(self._read_bytes[name])
            added = log.read()
        whole = added[: added.rfind(b"\n") + 1]
        self._read_bytes[name] += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            self._show(f"{name:<8}  {_readable(line)}")


def _readable(line: str) -> str:
    """One of our JSON lines in plain words; any other line as it is."""
    try:
        found = json.loads(line)
        at, level, event = found.pop("timestamp")[11:19], found.pop("level"), found.pop("event")
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
    trace = found.pop("exception", "")
    fields = " ".join(f"{name}={value}" for name, value in found.items() if name not in {"role", "logger"})
    return f"{at} {level:<7} {event}  {fields}".rstrip() + (f"\n{trace}" if trace else "")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
