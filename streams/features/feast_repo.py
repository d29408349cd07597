"""A run's own feature repo: a folder that a plain `feast.FeatureStore(repo_path=...)` opens, from anywhere.

Definitions are those of `feature_repo/`, for the run's declared fields; paths are relative to the folder, so it can be
moved. Applying takes seconds of importing Feast, so it happens only when what was applied differs.
"""

import hashlib
import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

from streams.features.history import begin_history
from streams.features.history_spool import locked
from streams.features.rows import VIEWS, view_columns
from streams.settings import CatalogueFields, Settings

__all__ = ["PROJECT", "prepare_repo"]

PROJECT = "freshrank"
_STORE_FILE, _DEFINITIONS_FILE, _APPLIED_FILE, _REGISTRY = (
    "feature_store.yaml",
    "definitions.py",
    "applied.json",
    "registry.db",
)


def prepare_repo(settings: Settings, folder: Path) -> Path:
    """Write the feature repo of a run into `folder` and apply it; returns the folder, absolute.

    Safe to call again and by several processes at once: they wait for each other, and the second finds nothing to do.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    texts = {_STORE_FILE: _store_text(settings), _DEFINITIONS_FILE: _definitions_text(settings.catalogue)}
    digest = _digest(texts, settings.catalogue)
    with locked(folder / "applying"):
        if _applied(folder) != digest:
            _write_private(folder / _STORE_FILE, texts[_STORE_FILE])
            (folder / _DEFINITIONS_FILE).write_text(texts[_DEFINITIONS_FILE])
            for view in VIEWS:
                begin_history(folder, view, view_columns(view, settings.catalogue.affinity))
            _apply(folder, settings.catalogue)
            (folder / _APPLIED_FILE).write_text(json.dumps({"sha256": digest}))
    return folder


def _store_text(settings: Settings) -> str:
    """feature_store.yaml. JSON is YAML; no `$` may stand in it, as Feast puts environment variables in its place."""
    store: dict[str, Any] = {
        "project": PROJECT,
        "provider": "local",
        "registry": _REGISTRY,
        "online_store": _online_store(settings),
        "offline_store": {"type": "streams.features.feast_history.HistoryOfflineStore"},
        "entity_key_serialization_version": 3,
    }
    return json.dumps(store, indent=2).replace("$", "\\u0024") + "\n"


def _online_store(settings: Settings) -> dict[str, Any]:
    if settings.feast.online_store == "redis":
        return {
            "type": "redis",
            "connection_string": settings.feast.redis_connection_string.get_secret_value(),
        }
    return {
        "type": "streams.features.feast_store.RocksDictOnlineStore",
        "path": "online_store",
        "num_partitions": settings.num_partitions,
    }


def _definitions_text(catalogue: CatalogueFields) -> str:
    return f'''"""Feature definitions of this run, written by freshrank; `feast apply` here registers them again."""

from feature_repo.definitions import define
from streams.settings import CatalogueFields

user, item, user_counters, item_counters, ranker = define(
    CatalogueFields(affinity={catalogue.affinity!r}, numbers={catalogue.numbers!r})
)
'''


def _digest(texts: dict[str, str], catalogue: CatalogueFields) -> str:
    code = files("feature_repo").joinpath("definitions.py").read_text()
    columns = [repr(view_columns(view, catalogue.affinity)) for view in VIEWS]
    return hashlib.sha256(json.dumps([texts, code, columns]).encode()).hexdigest()


def _applied(folder: Path) -> str | None:
    try:
        found = json.loads((folder / _APPLIED_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return str(found.get("sha256")) if (folder / _REGISTRY).exists() else None


def _write_private(path: Path, text: str) -> None:
    """A connection string may hold a password: only our own user reads the file."""
    path.touch(mode=0o600)
    path.write_text(text)


def _apply(folder: Path, catalogue: CatalogueFields) -> None:
    """Apply to a copy of the registry, then replace it: Feast writes it in place, and others may be reading."""
    from feast import FeatureStore  # noqa: PLC0415  # takes seconds
    from feast.repo_config import load_repo_config  # noqa: PLC0415

    from feature_repo.definitions import define  # noqa: PLC0415  # imports Feast

    registry, aside = folder / _REGISTRY, folder / f"{_REGISTRY}.new"
    if registry.exists():
        shutil.copyfile(registry, aside)
    config = load_repo_config(folder, folder / _STORE_FILE)
    config.registry.path = str(aside)
    FeatureStore(config=config).apply(list(define(catalogue)))
    aside.replace(registry)
