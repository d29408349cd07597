"""Keeps rounds from starting while records still come in, so that a round's content does not depend on luck.

A round that starts in the middle of what one step of a log gives would miss what the rest of the step corrects.
"""

from pathlib import Path

__all__ = ["RoundHold"]


class RoundHold:
    """A file in the data folder; a trainer whose rounds go by rows alone starts none while it is there."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / "rounds-held"

    @property
    def is_on(self) -> bool:
        """Whether rounds are held back."""
        return self._file.exists()

    def put(self) -> None:
        """Hold rounds back from now on; one that runs goes on."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.touch()

    def lift(self) -> None:
        """Let the rounds that are due start."""
        self._file.unlink(missing_ok=True)
