"""What a running process has used and holds, from Linux's /proc."""

import os
from pathlib import Path

__all__ = ["cpu_s", "folder_bytes", "num_open_files", "peak_rss_bytes", "rss_bytes"]


def cpu_s(pid: int) -> float:
    """Processor seconds of all its threads so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Memory it holds now."""
    return _status_bytes(pid, "VmRSS:")


def peak_rss_bytes(pid: int) -> int:
    """The most memory it held at any time."""
    return _status_bytes(pid, "VmHWM:")


def num_open_files(pid: int) -> int:
    """Files, sockets and pipes it has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder; those that leave meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def _status_bytes(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])
