import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from models.ranker import Ranker
from models.ranker_config import RankerConfig
from streams.commands.models import models
from streams.settings import Settings
from streams.training.registry import Registry, VersionError

EXTRA = {"published_at_ms": 5, "report": {"num_slates": 256, "gate": {"reason": "no task is worse beyond noise"}}}


def publish(data_dir: Path, num: int) -> Registry:
    settings = Settings()
    registry = Registry(data_dir / "models", keep=10)
    for seed in range(num):
        torch.manual_seed(seed)
        registry.publish(Ranker(RankerConfig(), settings.catalogue.schema_, settings.labels.tasks), EXTRA)
    return registry


def run(data_dir: Path, *arguments: str) -> str:
    done = CliRunner().invoke(models, [*arguments, "--data-dir", str(data_dir)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_list_says_that_there_is_nothing_yet(tmp_path: Path) -> None:
    assert "no versions in " in run(tmp_path, "list")
    assert json.loads(run(tmp_path, "list", "--json")) == {"versions": []}


def test_list_shows_the_newest_first_with_the_champion(tmp_path: Path) -> None:
    registry = publish(tmp_path, 2)
    fact = {"published_at_ms": 5, "num_slates": 256, "reason": "no task is worse beyond noise"}
    assert json.loads(run(tmp_path, "list", "--json"))["versions"] == [
        {"version": 2, "is_champion": True, **fact, "folder": str(registry.path(2))},
        {"version": 1, "is_champion": False, **fact, "folder": str(registry.path(1))},
    ]
    assert "no task is worse" in run(tmp_path, "list")


def test_show_prints_the_manifest_and_whether_the_version_could_be_served(tmp_path: Path) -> None:
    registry = publish(tmp_path, 1)
    shown = json.loads(run(tmp_path, "show", "1", "--json"))
    assert (shown["problem"], shown["manifest"]["extra"]) == (None, EXTRA)
    weights = registry.path(1) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:50])
    assert "bytes; remove the folder" in json.loads(run(tmp_path, "show", "1", "--json"))["problem"]


def test_show_names_the_versions_there_are(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    with pytest.raises(VersionError, match=r"no version 9 in .*; kept are \[1\]"):
        run(tmp_path, "show", "9")


def test_promoting_a_version_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    registry = publish(tmp_path, 2)
    with pytest.raises(VersionError, match="no version 9"):
        run(tmp_path, "promote", "9")
    assert registry.champions().version == 2
