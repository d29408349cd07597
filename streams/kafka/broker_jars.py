"""The jars of the local Kafka: fetched once into a cache folder, and checked against pinned hashes at every use.

Only the hashes in `kafka_jars.json` are trusted: a check-sum of Maven merely warns, and a cut-off download looks whole.
Jars are fetched into a fresh folder and renamed one by one into the cache, so a killed fetch leaves nothing behind,
and a running broker keeps the files it has open. A warm cache needs no network and imports no resolver.
"""

import fcntl
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from streams.errors import BrokerStartError
from streams.settings import Settings

__all__ = ["KAFKA_VERSION", "Fetch", "fetch_from_maven", "kafka_jars", "pinned_hashes"]

# 4.4.0 is the newest, but its POM asks for an artifact that was never published, so it does not resolve.
KAFKA_VERSION = "4.3.1"
COORDINATES = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")
FETCH_TIMEOUT_S = 60

Fetch = Callable[[Path], Mapping[str, Path]]
"""Brings all jars into the given empty folder and returns them by file name; raises OSError without a network."""


def pinned_hashes() -> dict[str, str]:
    """File name -> sha256 of every jar that the broker needs."""
    text = files("streams.kafka").joinpath("kafka_jars.json").read_text(encoding="utf-8")
    pins: dict[str, str] = json.loads(text)
    return pins


def fetch_from_maven(folder: Path) -> dict[str, Path]:
    """Resolve Kafka and what it needs into `folder` with jgo (about 20 s). Raises OSError without a network."""
    from jgo.maven import MavenContext

    maven = MavenContext(repo_cache=folder, timeout=FETCH_TIMEOUT_S)
    direct, transitive = maven.resolver.resolve([maven.create_dependency(name) for name in COORDINATES])
    wanted = pinned_hashes()
    artifacts = [dependency.artifact for dependency in (*direct, *transitive)]
    paths = [artifact.resolve() for artifact in artifacts if artifact.filename in wanted]
    return {path.name: path for path in paths}


def kafka_jars(cache_dir: Path, fetch: Fetch = fetch_from_maven) -> list[Path]:
    """Paths of all jars, sorted by name, each verified.

    Raises:
        BrokerStartError: jars are missing and cannot be fetched, or what was fetched is not what is pinned.
    """
    folder, pins = cache_dir / f"kafka-{KAFKA_VERSION}", pinned_hashes()
    try:
        if _unusable(folder, pins):
            with _only_one(cache_dir):
                # Another process may have fetched them while this one waited.
                if missing := _unusable(folder, pins):
                    _refill(folder, pins, missing, fetch)
    except OSError as error:
        raise BrokerStartError(
            f"the cache folder {cache_dir} cannot be used ({error}); the local Kafka keeps its jars there; "
            "make it writable, or name another folder with FRESHRANK_CACHE_DIR"
        ) from error
    return [folder / name for name in sorted(pins)]


def _unusable(folder: Path, pins: Mapping[str, str]) -> list[str]:
    """Names of the jars that are missing or damaged."""
    return [name for name, pin in pins.items() if _sha256(folder / name) != pin]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


@contextmanager
def _only_one(cache_dir: Path) -> Iterator[None]:
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / ".fetching").open("w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        yield


def _refill(folder: Path, pins: Mapping[str, str], missing: list[str], fetch: Fetch) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetch-") as fresh:
        try:
            fetched = fetch(Path(fresh))
        except OSError as error:
            raise BrokerStartError(
                f"{len(missing)} of {len(pins)} jars of Kafka {KAFKA_VERSION} are missing or damaged in {folder} "
                f"(first: {missing[0]}) and could not be fetched ({type(error).__name__}); needed: Maven Central, "
                "once; "
                "run `make setup` with a network, or copy that folder from a machine that has it, "
                "or use another Kafka with --bootstrap-servers"
            ) from error
        folder.mkdir(exist_ok=True)
        for name in missing:
            _accept(name, fetched.get(name), pins[name]).replace(folder / name)


def _accept(name: str, path: Path | None, pin: str) -> Path:
    found = "nothing" if path is None else f"sha256 {_sha256(path)}"
    if path is None or found != f"sha256 {pin}":
        raise BrokerStartError(
            f"{name} of Kafka {KAFKA_VERSION} was fetched with {found}; needed: sha256 {pin}; "
            "the download was altered or cut off: try again, and check the proxy or mirror if it repeats"
        )
    return path


if __name__ == "__main__":
    kafka_jars(Settings().cache_dir)
