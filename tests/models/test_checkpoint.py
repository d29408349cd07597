import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.batch import Batch
from models.checkpoint import load, read_tensors, save, write_tensors
from models.checkpoint_errors import (
    AlteredCheckpointError,
    CheckpointError,
    ForeignCheckpointError,
    MissingCheckpointError,
    SchemaHashError,
    TaskHashError,
    TornCheckpointError,
)
from models.feature_schema import FeatureSchema
from models.ranker import Ranker
from models.tasks import DEFAULT_TASKS, task_hash

TASKS_HASH = task_hash(DEFAULT_TASKS)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


MakeBatch = Callable[..., Batch]


@pytest.fixture
def folder(tmp_path: Path, ranker: Ranker, schema: FeatureSchema) -> Path:
    made = tmp_path / "versions" / "000007"
    save(made, ranker, version=7, schema_hash=schema.hash, task_hash=TASKS_HASH, extra={"gate": {"rows": 12}})
    return made


def test_a_loaded_version_predicts_exactly_what_was_saved(
    folder: Path,
    ranker: Ranker,
    schema: FeatureSchema,
    make_batch: MakeBatch,
) -> None:
    batch = make_batch(0)
    loaded = load(folder, schema.hash, TASKS_HASH)
    expected = ranker.predict(batch)
    for task, value in loaded.ranker.predict(batch).items():
        assert torch.equal(value, expected[task])
    assert (loaded.ranker.config, loaded.ranker.schema, loaded.ranker.tasks) == (
        ranker.config,
        ranker.schema,
        ranker.tasks,
    )
    assert loaded.manifest["version"] == 7
    assert loaded.manifest["extra"] == {"gate": {"rows": 12}}


def test_buffers_travel_too(tmp_path: Path, ranker: Ranker, schema: FeatureSchema, make_batch: MakeBatch) -> None:
    ranker.observe(make_batch(1))
    ranker.platt_TK2[0] = torch.tensor([0.9, 0.1])
    ranker.scale("dwell").set_thresholds(torch.arange(1.0, 9.0), torch.tensor([3.0, 30.0]))
    save(tmp_path / "1", ranker, version=1, schema_hash=schema.hash, task_hash=TASKS_HASH, extra={})
    loaded = load(tmp_path / "1", schema.hash, TASKS_HASH).ranker.state_dict()
    assert [name for name, value in ranker.state_dict().items() if not torch.equal(value, loaded[name])] == []


def test_only_the_two_files_are_left_and_a_version_is_written_once(
    folder: Path,
    ranker: Ranker,
    schema: FeatureSchema,
) -> None:
    assert names_in(folder) == ["manifest.json", "weights.safetensors"]
    assert names_in(folder.parent) == ["000007"]
    with pytest.raises(FileExistsError, match="written once"):
        save(folder, ranker, version=8, schema_hash=schema.hash, task_hash=TASKS_HASH, extra={})


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_tensors(tmp_path / "1", {"w": torch.zeros(1)}, {"not json": object()})
    assert names_in(tmp_path) == []


def test_other_features_are_refused_with_both_hashes(folder: Path, schema: FeatureSchema) -> None:
    other = FeatureSchema(affinity_fields=("colour",), number_fields=())
    both = rf"made for features {schema.hash}, this code and these settings have {other.hash};.*trainer --bootstrap"
    with pytest.raises(SchemaHashError, match=both):
        load(folder, other.hash, TASKS_HASH)


def test_other_tasks_are_refused_with_both_hashes(folder: Path, schema: FeatureSchema) -> None:
    other = task_hash(DEFAULT_TASKS[:2])
    with pytest.raises(TaskHashError, match=f"tasks {TASKS_HASH}, this code and these settings have {other}"):
        load(folder, schema.hash, other)


def test_weights_and_windows_of_tasks_may_change_between_save_and_load(folder: Path, schema: FeatureSchema) -> None:
    tuned = [dataclasses.replace(task, loss_weight=9.0, window_s=1) for task in DEFAULT_TASKS]
    assert load(folder, schema.hash, task_hash(tuned)).manifest["version"] == 7


@pytest.mark.parametrize("size", [0, 1, 100, -1])
def test_a_weights_file_cut_anywhere_is_torn(folder: Path, schema: FeatureSchema, size: int) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(TornCheckpointError, match=r"has \d+ of \d+ bytes; remove"):
        load(folder, schema.hash, TASKS_HASH)


@pytest.mark.parametrize("at", [0, 9, 5000, -1])
def test_one_altered_byte_of_the_weights_is_found(folder: Path, schema: FeatureSchema, at: int) -> None:
    path = folder / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(AlteredCheckpointError, match="sha256"):
        load(folder, schema.hash, TASKS_HASH)


def test_an_altered_manifest_is_found(folder: Path, schema: FeatureSchema) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"version": 7', '"version": 8'))
    with pytest.raises(AlteredCheckpointError, match="altered after writing"):
        load(folder, schema.hash, TASKS_HASH)


@pytest.mark.parametrize(
    ("file", "error"), [("manifest.json", TornCheckpointError), ("weights.safetensors", TornCheckpointError)]
)
def test_a_missing_file_is_torn(folder: Path, schema: FeatureSchema, file: str, error: type[CheckpointError]) -> None:
    (folder / file).unlink()
    with pytest.raises(error):
        load(folder, schema.hash, TASKS_HASH)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"a": 1'])
def test_a_manifest_that_is_not_json_is_torn(folder: Path, schema: FeatureSchema, content: str) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(TornCheckpointError):
        load(folder, schema.hash, TASKS_HASH)


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": "other-7"}', "3", "null"])
def test_json_of_something_else_is_foreign(folder: Path, schema: FeatureSchema, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(ForeignCheckpointError):
        load(folder, schema.hash, TASKS_HASH)


def test_no_folder_is_missing(tmp_path: Path, schema: FeatureSchema) -> None:
    with pytest.raises(MissingCheckpointError, match="no such folder"):
        load(tmp_path / "9", schema.hash, TASKS_HASH)


def test_verified_tensors_that_describe_no_ranker_are_foreign(tmp_path: Path, schema: FeatureSchema) -> None:
    write_tensors(tmp_path / "1", {"w": torch.zeros(1)}, {"schema_hash": schema.hash, "task_hash": TASKS_HASH})
    with pytest.raises(ForeignCheckpointError, match="does not describe a ranker"):
        load(tmp_path / "1", schema.hash, TASKS_HASH)


def test_tensors_and_facts_of_any_kind_come_back_as_written(tmp_path: Path) -> None:
    tensors = {"count.steps": torch.tensor(5), "weights": torch.randn(2, 3, dtype=torch.float64)}
    write_tensors(tmp_path / "trainer", tensors, {"cursor": {"events": 12}})
    found, manifest = read_tensors(tmp_path / "trainer")
    assert {name: value.tolist() for name, value in found.items()} == {n: v.tolist() for n, v in tensors.items()}
    assert manifest["cursor"] == {"events": 12}


def test_hashes_that_are_not_the_rankers_own_are_not_written(tmp_path: Path, ranker: Ranker) -> None:
    with pytest.raises(ValueError, match="own hashes"):
        save(tmp_path / "1", ranker, version=1, schema_hash="0" * 12, task_hash=TASKS_HASH, extra={})


def test_every_refusal_is_a_checkpoint_error_and_no_pickle_is_ever_read(folder: Path, schema: FeatureSchema) -> None:
    (folder / "weights.safetensors").write_bytes(b"\x80\x04.")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["format"] == "freshrank-checkpoint-1"
    with pytest.raises(CheckpointError):
        load(folder, schema.hash, TASKS_HASH)
