"""A checkpoint whose hashes all fit, written by somebody who wants harm: it is refused, quickly and with the reason."""

import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.checkpoint import load, save
from models.checkpoint_errors import CheckpointError, ForeignCheckpointError, TornCheckpointError
from models.feature_schema import FeatureSchema
from models.ranker import Ranker
from models.tasks import DEFAULT_TASKS, task_hash

TASKS_HASH = task_hash(DEFAULT_TASKS)
Forge = Callable[[Any], None]


@pytest.fixture
def folder(tmp_path: Path, ranker: Ranker, schema: FeatureSchema) -> Path:
    made = tmp_path / "7"
    save(made, ranker, version=7, schema_hash=schema.hash, task_hash=TASKS_HASH, extra={})
    return made


def forge(folder: Path, change: Forge, weights: bytes | None = None) -> None:
    """Change the manifest, and the weights if given, and make all hashes right again."""
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["sha256"]
    if weights is not None:
        (folder / "weights.safetensors").write_bytes(weights)
        facts = {"sha256": hashlib.sha256(weights).hexdigest(), "size_bytes": len(weights)}
        manifest["files"]["weights.safetensors"] = facts
    change(manifest)
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({**manifest, "sha256": digest}))


def unchanged(_: object) -> None:
    pass


def in_config(**fields: Any) -> Forge:
    return lambda manifest: manifest["config"].update(fields)


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def test_the_forger_can_forge(folder: Path, schema: FeatureSchema) -> None:
    """Else every test below would pass for a wrong hash."""
    forge(folder, lambda manifest: manifest.update(version=8))
    assert load(folder, schema.hash, TASKS_HASH).manifest["version"] == 8


@pytest.mark.parametrize(
    "change",
    [
        in_config(expert_hidden=10**9),
        in_config(expert_width=60_000, expert_hidden=60_000),
        in_config(num_shared_experts=10**12),
        in_config(num_shared_experts=60_000),
        in_config(expert_groups=[[]] * 100_000),
        in_config(tower_width=65_536, expert_width=65_536),
        in_config(num_positions=2**62),
        in_config(id_rows=10**15),
        in_config(id_rows=100_000, id_width=65_536),
        in_config(attention_width=65_536),
        in_config(threshold_s=[1.0] * 1_000_000),
        in_config(expert_hidden=-1),
        in_config(expert_hidden=1e3),
        in_config(expert_hidden="64"),
        in_config(expert_hidden=float("inf")),
        in_config(expert_hidden=None),
        in_config(__class__="os.system"),
        lambda manifest: manifest.update(config=[]),
        lambda manifest: manifest.update(config="os.system"),
    ],
)
def test_a_shape_that_its_weights_do_not_have_is_refused_before_it_is_built(
    folder: Path, schema: FeatureSchema, change: Forge
) -> None:
    forge(folder, change)
    with pytest.raises(ForeignCheckpointError, match="does not describe a ranker"):
        load(folder, schema.hash, TASKS_HASH)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["schema"].update(affinity_fields=[f"f{n}" for n in range(100_000)]),
        lambda manifest: manifest.update(schema={}),
        lambda manifest: manifest.update(tasks=manifest["tasks"] * 1000),
        lambda manifest: manifest.update(tasks=manifest["tasks"][:2]),
        lambda manifest: manifest.update(tasks=[[]]),
        lambda manifest: manifest.update(tasks=7),
    ],
)
def test_features_and_tasks_that_are_not_those_of_its_hashes_are_refused(
    folder: Path, schema: FeatureSchema, change: Forge
) -> None:
    forge(folder, change)
    with pytest.raises(ForeignCheckpointError):
        load(folder, schema.hash, TASKS_HASH)


@pytest.mark.parametrize(
    "weights",
    [
        safetensors(b"{}", length=2**63),
        safetensors(b"{}", length=200 << 20),
        safetensors({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 4]}}, b"\0\0\0\0"),
        safetensors({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**60]}}, b"\0\0\0\0"),
        safetensors({"w": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}),
        safetensors({"w": {"dtype": "object", "shape": [1], "data_offsets": [0, 4]}}, b"\0\0\0\0"),
        safetensors({"w": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}}, b"\0\0\0\0"),
        safetensors({"../../../../tmp/x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0\0\0\0"),
        safetensors(b"[" * 100_000),
        b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85R.",
        b"PK\x03\x04",
        b"",
    ],
)
def test_weights_that_are_no_plain_tensors_are_refused(folder: Path, schema: FeatureSchema, weights: bytes) -> None:
    forge(folder, unchanged, weights)
    with pytest.raises(ForeignCheckpointError):
        load(folder, schema.hash, TASKS_HASH)


@pytest.mark.parametrize(
    "files",
    [{}, [], None, {"../../etc/passwd": {"sha256": "", "size_bytes": 1}}, {"weights.safetensors": "../../etc/passwd"}],
)
def test_only_the_weights_beside_the_manifest_are_read(folder: Path, schema: FeatureSchema, files: object) -> None:
    forge(folder, lambda manifest: manifest.update(files=files))
    with pytest.raises(ForeignCheckpointError, match=r"names no weights\.safetensors"):
        load(folder, schema.hash, TASKS_HASH)


def test_a_size_that_is_no_number_is_refused(folder: Path, schema: FeatureSchema) -> None:
    forge(folder, lambda manifest: manifest["files"]["weights.safetensors"].update(size_bytes="all"))
    with pytest.raises(TornCheckpointError):
        load(folder, schema.hash, TASKS_HASH)


def test_json_nested_without_end_is_refused(folder: Path, schema: FeatureSchema) -> None:
    (folder / "manifest.json").write_text("[" * 1_000_000)
    with pytest.raises(TornCheckpointError, match="cannot be read"):
        load(folder, schema.hash, TASKS_HASH)


@pytest.mark.parametrize("name", ["manifest.json", "weights.safetensors"])
def test_a_file_without_end_is_not_read(folder: Path, schema: FeatureSchema, name: str) -> None:
    """Sparse: it takes no place on the disk, and all of the memory of whoever reads it."""
    os.truncate(folder / name, 5 << 30)
    with pytest.raises(TornCheckpointError, match="must have at most"):
        load(folder, schema.hash, TASKS_HASH)


@pytest.mark.parametrize("name", ["manifest.json", "weights.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_read(folder: Path, schema: FeatureSchema, name: str, kind: str) -> None:
    path = folder / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(CheckpointError):
        load(folder, schema.hash, TASKS_HASH)
