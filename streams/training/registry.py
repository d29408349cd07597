"""Published versions on disk, and which of them is the champion.

`<models>/<version>/` is a closed checkpoint; `champion.json` names the champion and those before it, replaced
atomically. Publishing writes the checkpoint first and the pointer second, so a crash leaves a version nobody serves.
"""

import json
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from models.checkpoint import load, save
from models.checkpoint_errors import CheckpointError as DamagedError
from models.ranker import Ranker
from models.tasks import task_hash
from streams.errors import CheckpointError, FreshrankError

__all__ = ["Champions", "Registry", "Version", "VersionError"]

POINTER = "champion.json"
# Champions remembered for rolling back.
MAX_BEFORE = 20


class VersionError(FreshrankError):
    """A version that does not exist, or cannot be served. Operator: choose one from `freshrank models list`."""


@dataclass(frozen=True, slots=True)
class Champions:
    """The champion (0: none yet) and the champions before it, newest first.

    `withdrawn`: versions that served worse than one before them, and the trainer's reason, by number in decimal.
    """

    version: int = 0
    before: list[int] = field(default_factory=list)
    withdrawn: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """A version on disk. `manifest`: as models.checkpoint writes it; `extra` in it has time, cause and gate report."""

    number: int
    folder: Path
    is_champion: bool
    manifest: Mapping[str, Any]


class Registry:
    """Versions under one folder. `keep`: newest versions kept, besides the champion and the one before it."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self._keep = folder, keep
        folder.mkdir(parents=True, exist_ok=True)

    def numbers(self) -> list[int]:
        """Versions on disk, oldest first."""
        return sorted(int(entry.name) for entry in self.folder.iterdir() if entry.name.isdigit())

    def champions(self) -> Champions:
        """Who serves, and who served before."""
        path = self.folder / POINTER
        return Champions(**json.loads(path.read_text())) if path.exists() else Champions()

    def versions(self) -> list[Version]:
        """All versions, newest first; one without a readable manifest is left out."""
        champion = self.champions().version
        found = []
        for number in reversed(self.numbers()):
            try:
                manifest = json.loads((self.path(number) / "manifest.json").read_text())
            except (OSError, ValueError):
                continue
            found.append(Version(number, self.path(number), number == champion, manifest))
        return found

    def folders_before(self, num: int) -> list[Path]:
        """Folders of the last `num` champions before the present one that are still on disk, newest first."""
        kept = set(self.numbers())
        return [self.path(version) for version in self.champions().before if version in kept][:num]

    def path(self, version: int) -> Path:
        """Folder of a version."""
        return self.folder / f"{version:06d}"

    def about(self, version: int) -> dict[str, Any]:
        """What was said of a version when it was published: round, cause, report; nothing when it cannot be read."""
        try:
            manifest = json.loads((self.path(version) / "manifest.json").read_text())
        except (OSError, ValueError):
            return {}
        return dict(manifest.get("extra", {}))

    def publish(self, ranker: Ranker, extra: Mapping[str, Any], pinned: Collection[int] = ()) -> int:
        """Write a new version and make it the champion; returns its number. `pinned` versions are kept on disk."""
        champions = self.champions()
        version = max([*self.numbers(), champions.version, *champions.before], default=0) + 1
        hashes = {"schema_hash": ranker.schema.hash, "task_hash": task_hash(ranker.tasks)}
        save(self.path(version), ranker, version=version, **hashes, extra=extra)
        self._point_to(version, champions)
        self._prune(pinned)
        return version

    def promote(self, version: int, schema_hash: str, tasks_hash: str) -> None:
        """Make a version on disk the champion, after verifying it.

        Raises VersionError when there is none of that number, CheckpointError when it is damaged or foreign.
        """
        self.verify(version, schema_hash, tasks_hash)
        self._point_to(version, self.champions())

    def rollback(self, schema_hash: str, tasks_hash: str) -> int:
        """Make the champion before the present one serve again; returns its version. Doing it again goes further back.

        Raises VersionError when none is left on disk, CheckpointError when it is damaged or foreign.
        """
        champions, numbers = self.champions(), set(self.numbers())
        left = [version for version in champions.before if version in numbers]
        if not left:
            raise VersionError(
                f"no champion before version {champions.version} is left in {self.folder}; nothing to roll back to: "
                "promote one of `freshrank models list`"
            )
        self.verify(left[0], schema_hash, tasks_hash)
        self._write(replace(champions, version=left[0], before=left[1:]))
        return left[0]

    def restore(self, version: int, reason: str, schema_hash: str, tasks_hash: str) -> None:
        """Make a former champion serve again; those after it are withdrawn for `reason`, also from rolling back to.

        Raises VersionError, CheckpointError.
        """
        self.verify(version, schema_hash, tasks_hash)
        champions = self.champions()
        reign = [champions.version, *champions.before]
        num_after = reign.index(version) if version in reign else 1
        reasons = dict.fromkeys(map(str, reign[:num_after]), reason)
        kept = set(map(str, self.numbers()))
        withdrawn = {number: why for number, why in {**champions.withdrawn, **reasons}.items() if number in kept}
        self._write(Champions(version, reign[num_after + 1 :] if version in reign else reign[1:], withdrawn))

    def verify(self, version: int, schema_hash: str, tasks_hash: str) -> None:
        """Read a version whole. Raises VersionError, CheckpointError."""
        if version not in self.numbers():
            raise VersionError(
                f"there is no version {version} in {self.folder}; versions kept: {self.numbers()}; choose one of these"
            )
        try:
            load(self.path(version), schema_hash, tasks_hash)
        except DamagedError as error:
            raise CheckpointError(str(error)) from error

    def _point_to(self, version: int, champions: Champions) -> None:
        if version != champions.version:
            before = [champions.version, *champions.before] if champions.version else []
            self._write(replace(champions, version=version, before=before[:MAX_BEFORE]))

    def _write(self, champions: Champions) -> None:
        aside = self.folder / f"{POINTER}.{os.getpid()}.tmp"
        with aside.open("w") as file:
            json.dump(asdict(champions), file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.folder / POINTER)

    def _prune(self, pinned: Collection[int]) -> None:
        champions = self.champions()
        kept = {*pinned, *self.numbers()[-self._keep :], champions.version, *champions.before[:1]}
        for number in self.numbers():
            if number not in kept:
                shutil.rmtree(self.path(number))
