"""A models folder on a small disk of its own, which can be filled: tmpfs where we may mount one."""

import subprocess
from pathlib import Path
from typing import Self

SIZE_BYTES = 96 << 20


class ModelDisk:
    """`is_small`: it is a disk of its own; `reason` says why not. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.reason, self.is_small = folder, "", False
        self._ballast = folder / "ballast"

    def __enter__(self) -> Self:
        """Mount it, if we may."""
        self.folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(self.folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            self.reason = str(error)
            return self
        self.is_small, self.reason = done.returncode == 0, done.stderr.strip()
        return self

    def __exit__(self, *_: object) -> None:
        """Unmount it."""
        if self.is_small:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill(self) -> None:
        """Leave no room; room that others free meanwhile is not taken again."""
        with self._ballast.open("ab", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(1 << 16))
            except OSError:
                pass

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)
