"""Follows the logs of the roles and shows what is new, each line with the role's name before it."""

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
            self._show(f"{name}  {line}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
