"""A process that owns a partition of rows and writes as it is told on standard input; for tests of owners and readers.

Answers each line `put KEY TIME TEXT` with the number of rows written, or with the error.
"""

import sys
from pathlib import Path

from streams.errors import StateError
from streams.features.owned_rows import OwnedRows
from streams.features.rocks_memory import RocksMemory
from streams.features.row_wire import layout_id, pack_header

NAMES = ("text",)


def record(at_us: int, text: str) -> bytes:
    """A record whose payload is plain text; this layer does not look inside."""
    return pack_header(at_us, 0, layout_id(NAMES)) + text.encode()


def main() -> None:
    rows = OwnedRows.take_over(Path(sys.argv[1]), RocksMemory(), 0.1)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        _, key, at_us, text = line.split()
        try:
            answer = str(rows.put([key.encode()], [record(int(at_us), text)], NAMES))
        except StateError as error:
            answer = f"{type(error).__name__}: {error}"
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
