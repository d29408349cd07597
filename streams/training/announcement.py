"""The record on `model-updates`: which version is to serve, where it lies, and why."""

from pathlib import Path
from typing import Literal

import msgspec

from models.tasks import task_hash
from streams.settings import Settings

__all__ = ["KEY", "Announcement", "announcement_of", "decode_announcement", "encode_announcement"]

# One model serves all surfaces; compaction keeps its newest announcement.
KEY = b"ranker"


class Announcement(msgspec.Struct, kw_only=True, frozen=True):
    """A version to serve; the manifest in its folder holds file hashes and the gate's report.

    `location`: the folder, relative to the models folder of the reader's data folder, or absolute.
    """

    version: int
    location: str
    feature_schema: str
    tasks: str
    published_at_ms: int
    cause: Literal["round", "restart", "promote", "rollback"]


def announcement_of(
    settings: Settings, version: int, folder: Path, *, cause: Literal["round", "restart", "promote", "rollback"],
    published_at_ms: int,
) -> Announcement:  # fmt: skip
    """The announcement of a version in `folder`, under the hashes of these settings."""
    is_ours = folder.parent.resolve() == (settings.data_dir / "models").resolve()
    return Announcement(
        version=version,
        # Relative, so that a data folder can be moved, or mounted elsewhere on another machine.
        location=folder.name if is_ours else str(folder.resolve()),
        feature_schema=settings.catalogue.schema_.hash,
        tasks=task_hash(settings.labels.tasks),
        published_at_ms=published_at_ms,
        cause=cause,
    )


_DECODER = msgspec.json.Decoder(Announcement)


def encode_announcement(announcement: Announcement) -> bytes:
    """JSON bytes."""
    return msgspec.json.encode(announcement)


def decode_announcement(raw: bytes) -> Announcement:
    """The announcement in `raw`. Raises msgspec.ValidationError or msgspec.DecodeError (both are ValueError)."""
    return _DECODER.decode(raw)
