"""The record on `model-updates`: which version is to serve, where it lies, and why."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Literal

import msgspec

from models.tasks import task_hash
from streams.settings import Settings

__all__ = [
    "KEY",
    "NUM_BEFORE",
    "Announcement",
    "Cause",
    "announcement_of",
    "decode_announcement",
    "encode_announcement",
]

Cause = Literal["round", "restart", "promote", "rollback", "bootstrap"]
# Champions named beside the newest, for workers that start while it is damaged.
NUM_BEFORE = 3
# One model serves all surfaces; compaction keeps its newest announcement.
KEY = b"ranker"


class Announcement(msgspec.Struct, kw_only=True, frozen=True):
    """A version to serve; the manifest in its folder holds file hashes and the gate's report.

    `location`: the folder, relative to the models folder of the reader's data folder, or absolute. `before`: those of
    the champions before it, newest first, for a worker that starts while this version is damaged.
    """

    version: int
    location: str
    feature_schema: str
    tasks: str
    published_at_ms: int
    cause: Cause
    before: list[str] = []

    def __post_init__(self) -> None:
        """A relative location is one name. Who may write here may name any folder: nothing in it can run."""
        for location in (self.location, *self.before):
            path = PurePath(location)
            if "\0" in location or ".." in path.parts or not (path.is_absolute() or len(path.parts) == 1):
                raise ValueError(f"location: found {location[:200]!r}, must be a folder's name, or absolute")


def announcement_of(
    settings: Settings, version: int, folder: Path, *, cause: Cause, published_at_ms: int, before: Sequence[Path] = ()
) -> Announcement:
    """The announcement of a version in `folder`, under the hashes of these settings. `before`: earlier champions."""
    return Announcement(
        version=version,
        location=_location(settings, folder),
        before=[_location(settings, earlier) for earlier in before],
        feature_schema=settings.catalogue.schema_.hash,
        tasks=task_hash(settings.labels.tasks),
        published_at_ms=published_at_ms,
        cause=cause,
    )


def _location(settings: Settings, folder: Path) -> str:
    """Relative where it can be, so that a data folder can be moved, or mounted elsewhere on another machine."""
    is_ours = folder.parent.resolve() == (settings.data_dir / "models").resolve()
    return folder.name if is_ours else str(folder.resolve())


_DECODER = msgspec.json.Decoder(Announcement)


def encode_announcement(announcement: Announcement) -> bytes:
    """JSON bytes."""
    return msgspec.json.encode(announcement)


def decode_announcement(raw: bytes) -> Announcement:
    """The announcement in `raw`. Raises msgspec.ValidationError or msgspec.DecodeError (both are ValueError)."""
    return _DECODER.decode(raw)
