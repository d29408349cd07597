"""Lines of a log file, streaming: plain or gzip (told by its first bytes, not its name), or standard input as `-`."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

from streams.errors import InputFileError

__all__ = ["STDIN", "numbered_lines"]

STDIN = "-"
_GZIP_MAGIC = b"\x1f\x8b"


def numbered_lines(source: str | Path) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and bytes of each line that is not blank, without the line end.

    Raises InputFileError when the file cannot be opened or its compression is damaged.
    """
    number = 0
    with ExitStack() as stack:
        try:
            for number, line in enumerate(_opened(source, stack), start=1):
                if stripped := line.strip():
                    yield number, stripped
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputFileError(
                f"{source}: the gzip stream breaks off after line {number} ({error}); "
                "needed a whole file: copy it again"
            ) from error
        except OSError as error:
            raise InputFileError(
                f"{source}: cannot be read ({error.strerror or error}); name a readable file, or - for standard input"
            ) from error


def _opened(source: str | Path, stack: ExitStack) -> BinaryIO:
    if str(source) == STDIN:
        file = cast("io.BufferedReader", sys.stdin.buffer)
    else:
        file = stack.enter_context(Path(source).open("rb"))  # noqa: SIM115 - the stack closes it
    if file.peek(2)[:2] == _GZIP_MAGIC:
        return cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=file)))
    return file
