"""A model version on disk: weights as safetensors, and a manifest with everything needed to load and trust them.

Written aside, synced and renamed, the manifest last; checked byte by byte when loaded. A version that is torn, altered,
foreign, or made for other features or tasks is refused with the reason. Nothing is pickled.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from models.checkpoint_errors import (
    AlteredCheckpointError,
    CheckpointError,
    ForeignCheckpointError,
    MissingCheckpointError,
    SchemaHashError,
    TaskHashError,
    TornCheckpointError,
)
from models.checkpoint_limits import MAX_MANIFEST_BYTES, MAX_WEIGHTS_BYTES, check_size, read_file
from models.feature_schema import FeatureSchema
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.tasks import task_from_json
from models.tasks import task_hash as hash_of_tasks

__all__ = ["CheckpointError", "LoadedCheckpoint", "load", "read_tensors", "save", "write_tensors"]

FORMAT = "freshrank-checkpoint-1"
WEIGHTS = "weights.safetensors"
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class LoadedCheckpoint:
    """A verified version. `manifest`: format, version, schema_hash, task_hash, config, schema, tasks, extra, files."""

    ranker: Ranker
    manifest: dict[str, Any]


def save(
    folder: Path,
    ranker: Ranker,
    *,
    version: int,
    schema_hash: str,
    task_hash: str,
    extra: Mapping[str, Any],
) -> None:
    """Writes `ranker` as version `version` into `folder`, which must not exist; `extra` is any JSON.

    Raises ValueError when the hashes are not the ranker's own, FileExistsError when the folder is there.
    """
    own = ranker.schema.hash, hash_of_tasks(ranker.tasks)
    if own != (schema_hash, task_hash):
        raise ValueError(
            f"ranker with features and tasks {own}, asked to be saved as {(schema_hash, task_hash)}; "
            "save it under its own hashes"
        )
    facts = {
        "version": version,
        "schema_hash": schema_hash,
        "task_hash": task_hash,
        "config": asdict(ranker.config),
        "schema": asdict(ranker.schema),
        "tasks": [asdict(task) for task in ranker.tasks],
        "extra": dict(extra),
    }
    write_tensors(folder, ranker.state_dict(), facts)


def load(folder: Path, schema_hash: str, task_hash: str) -> LoadedCheckpoint:
    """The version in `folder`, verified, in eval mode on the CPU.

    Raises CheckpointError: Missing, Torn, Altered, Foreign, or SchemaHashError / TaskHashError when it was made for
    other features or tasks than these.
    """
    tensors, manifest = read_tensors(folder)
    for what, found, needed, error in (
        ("features", manifest.get("schema_hash"), schema_hash, SchemaHashError),
        ("tasks", manifest.get("task_hash"), task_hash, TaskHashError),
    ):
        if found != needed:
            raise error(
                f"checkpoint {folder}: made for {what} {found}, this code and these settings have {needed}; deploy "
                "those that wrote it, or retrain from history: `freshrank trainer --bootstrap`"
            )
    try:
        ranker = _built(manifest, sum(tensor.numel() for tensor in tensors.values()))
        ranker.load_state_dict(tensors)
    except (AttributeError, KeyError, MemoryError, OverflowError, TypeError, ValueError, RuntimeError) as error:
        raise ForeignCheckpointError(
            f"checkpoint {folder}: does not describe a ranker of this code ({error}); "
            "deploy the code that wrote it, or retrain"
        ) from error
    return LoadedCheckpoint(ranker.requires_grad_(requires_grad=False).eval(), manifest)


def _built(manifest: Mapping[str, Any], num_weights: int) -> Ranker:
    """The ranker that the manifest describes, once it is known to be what its hashes say and no larger than it came."""
    config, schema = _config(manifest["config"]), _schema(manifest["schema"])
    tasks = [task_from_json(task) for task in manifest["tasks"]]
    if (schema.hash, hash_of_tasks(tasks)) != (manifest["schema_hash"], manifest["task_hash"]):
        raise ValueError("features and tasks are not those of its hashes")
    check_size(config, schema, len(tasks), num_weights)
    return Ranker(config, schema, tasks)


def write_tensors(folder: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Writes tensors and JSON facts as a new folder, atomically: it is there whole, or not at all.

    Raises FileExistsError when `folder` is there already.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists; a version is written once; choose a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        packed = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        _write_synced(aside / WEIGHTS, packed)
        files = {WEIGHTS: {"sha256": hashlib.sha256(packed).hexdigest(), "size_bytes": len(packed)}}
        manifest = {"format": FORMAT, **facts, "files": files}
        _write_synced(aside / MANIFEST, json.dumps({**manifest, "sha256": _digest(manifest)}, indent=1).encode())
        _sync_folder(aside)
        aside.rename(folder)
        _sync_folder(folder.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def read_tensors(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_tensors` wrote, verified byte by byte; raises CheckpointError. Says nothing of schema and tasks."""
    manifest = _read_manifest(folder)
    facts = _facts_of_weights(folder, manifest)
    try:
        packed = read_file(folder / WEIGHTS, MAX_WEIGHTS_BYTES)
    except OSError as error:
        raise TornCheckpointError(
            f"checkpoint {folder}: {WEIGHTS} cannot be read ({error}); remove the folder"
        ) from error
    if len(packed) != facts.get("size_bytes"):
        raise TornCheckpointError(
            f"checkpoint {folder}: {WEIGHTS} has {len(packed)} of {facts.get('size_bytes')} bytes; remove the folder"
        )
    found = hashlib.sha256(packed).hexdigest()
    if found != facts["sha256"]:
        raise AlteredCheckpointError(
            f"checkpoint {folder}: {WEIGHTS} has sha256 {found[:12]}, the manifest says "
            f"{facts['sha256'][:12]}; remove the folder"
        )
    try:
        return safetensors.torch.load(packed), manifest
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ForeignCheckpointError(
            f"checkpoint {folder}: {WEIGHTS} is not safetensors ({error}); remove the folder"
        ) from error


def _facts_of_weights(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    files = manifest.get("files")
    facts = files.get(WEIGHTS) if isinstance(files, dict) else None
    if not isinstance(facts, dict) or not isinstance(facts.get("sha256"), str):
        raise ForeignCheckpointError(
            f"checkpoint {folder}: {MANIFEST} names no {WEIGHTS} with its sha256; deploy the code that wrote it"
        )
    return facts


def _read_manifest(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise MissingCheckpointError(f"checkpoint {folder}: no such folder; check the path in the announcement")
    try:
        manifest = json.loads(read_file(folder / MANIFEST, MAX_MANIFEST_BYTES))
    except FileNotFoundError as error:
        raise TornCheckpointError(f"checkpoint {folder}: no {MANIFEST}; remove the folder") from error
    except (OSError, ValueError, RecursionError) as error:
        raise TornCheckpointError(
            f"checkpoint {folder}: {MANIFEST} cannot be read ({error}); remove the folder"
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise ForeignCheckpointError(
            f"checkpoint {folder}: format {found!r}, this code reads {FORMAT!r}; "
            "deploy the code that wrote it, or retrain"
        )
    claimed = manifest.pop("sha256", None)
    if claimed != _digest(manifest):
        raise AlteredCheckpointError(f"checkpoint {folder}: {MANIFEST} was altered after writing; remove the folder")
    return manifest


def _config(facts: dict[str, Any]) -> RankerConfig:
    """JSON has lists where the config has tuples."""
    groups = tuple(tuple(group) for group in facts["expert_groups"])
    return RankerConfig(**{**facts, "expert_groups": groups, "threshold_s": tuple(facts["threshold_s"])})


def _schema(facts: dict[str, Any]) -> FeatureSchema:
    return FeatureSchema(**{name: tuple(values) for name, values in facts.items()})


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
