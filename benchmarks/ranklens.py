"""The RankLens log that quality is measured on: real lists and clicks (CC-BY-SA 4.0, `metarank/ranklens`).

Not part of the project: it lies in `../shared/data`, or where `--data` says. A figure from another file is not
comparable, so its sha256 is checked.
"""

import hashlib
from pathlib import Path

__all__ = ["RANKLENS", "MissingDataError", "checked"]

RANKLENS = Path(__file__).parents[1] / "../shared/data/ranklens/events.jsonl.gz"
SHA256 = "d4009c698bcc23f0648107dc167f2a3c797ebcb1737e68ec727c7057558a99aa"


class MissingDataError(Exception):
    """The log is absent, or another one. Operator: fetch it as the message says."""


def checked(file: Path) -> Path:
    """The file itself. Raises MissingDataError."""
    if not file.exists():
        raise MissingDataError(
            f"{file.resolve()}: no such file; needed RankLens in Metarank's event form: fetch "
            "src/test/resources/ranklens/events/events.jsonl.gz of metarank/metarank, and name it with --data"
        )
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != SHA256:
        raise MissingDataError(
            f"{file.resolve()}: its sha256 is {found}, needed {SHA256}; figures of another file are not comparable"
        )
    return file
