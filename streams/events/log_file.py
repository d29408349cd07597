"""Lines of a log file, streaming: plain or gzip (told by its first bytes, not its name), or standard input as `-`."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import BinaryIO, cast

from streams.errors import InputFileError

__all__ = ["MAX_LINE_BYTES", "STDIN", "LogFile"]

STDIN = "-"
# No line of a log comes near it; a file without line ends, or what a small gzip unpacks to, must not fill the memory.
MAX_LINE_BYTES = 16 << 20
_GZIP_MAGIC = b"\x1f\x8b"


class LogFile:
    """Iterate for (number from 1, bytes) of each line that is not blank, without its line end.

    Raises InputFileError while iterating, when the file cannot be read, its compression is damaged, or a line is
    beyond all measure.
    """

    def __init__(self, source: str | Path) -> None:
        self.source = source
        self._size_bytes = 0
        self._file: io.BufferedReader | None = None

    @property
    def read_frac(self) -> float | None:
        """How much of the file was read, 0 to 1; None for standard input."""
        if str(self.source) == STDIN:
            return None
        if self._file is None or self._file.closed:
            return float(self._file is not None)
        return self._file.tell() / max(self._size_bytes, 1)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        number = 0
        with ExitStack() as stack:
            try:
                for number, line in enumerate(self._lines(self._opened(stack)), start=1):
                    if stripped := line.strip():
                        yield number, stripped
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise InputFileError(
                    f"{self.source}: the gzip stream breaks off after line {number} ({error}); "
                    "needed a whole file: copy it again"
                ) from error
            except OSError as error:
                raise InputFileError(
                    f"{self.source}: cannot be read ({error.strerror or error}); "
                    "name a readable file, or - for standard input"
                ) from error

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        for number in count(1):
            line = file.readline(MAX_LINE_BYTES + 1)
            if len(line) > MAX_LINE_BYTES:
                raise InputFileError(
                    f"{self.source}: line {number} has more than {MAX_LINE_BYTES} bytes; needed one JSON object a line"
                )
            if not line:
                return
            yield line

    def _opened(self, stack: ExitStack) -> BinaryIO:
        if str(self.source) == STDIN:
            self._file = cast("io.BufferedReader", sys.stdin.buffer)
        else:
            path = Path(self.source)
            self._file = stack.enter_context(path.open("rb"))
            self._size_bytes = path.stat().st_size
        if self._file.peek(2)[:2] == _GZIP_MAGIC:
            return cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=self._file)))
        return self._file
