import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from models.ranker import Ranker
from models.ranker_config import RankerConfig
from models.tasks import task_hash
from streams.commands.models import models
from streams.errors import InputFileError
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


def gate_of(change: float, *, is_worse: bool = False, is_judged: bool = True) -> dict[str, Any]:
    click = {
        "rows": 1200, "positives": 90, "champion": 0.91, "challenger": 0.91 + change, "change": change,
        "surely_above": change - 0.01, "surely_below": change + 0.01, "pcoc": 1.02, "pcoc_by_kind": {},
        "is_judged": is_judged, "is_worse": is_worse, "problems": [],
    }  # fmt: skip
    lists = {"lists": 70, "champion": 0.6, "challenger": 0.61, "change": 0.01, "is_worse": False}
    return {"is_promoted": not is_worse, "reason": "no task is worse [beyond] noise", "tasks": {"click": click},
            "lists": {"ndcg_at_10": lists}, "drift": {"psi": 0.03, "rows": 1200}}  # fmt: skip


def with_report(data_dir: Path, gate: dict[str, Any]) -> Registry:
    report = {
        "num_slates": 256, "num_judged": 64, "num_capped": 2, "num_skipped": 0, "gate": gate, "losses": {"click": 0.9},
        "progressive": {"click": {"rows": 2560.0, "auc": 0.701, "log_loss": 0.25}, "dwell": {"rows": 9.0}},
    }  # fmt: skip
    registry, settings = Registry(data_dir / "models", keep=10), Settings()
    extra = {"published_at_ms": 1_700_000_000_000, "round": 7, "cause": "round", "report": report}
    registry.publish(Ranker(RankerConfig(), settings.catalogue.schema_, settings.labels.tasks), extra)
    return registry


def lines_of(text: str) -> list[str]:
    """Words with one blank between them, line by line."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_show_tells_what_the_version_is_and_compares_it_with_the_champion_task_by_task(tmp_path: Path) -> None:
    registry = with_report(tmp_path, gate_of(-0.02))
    manifest = registry.versions()[0].manifest
    assert lines_of(run(tmp_path, "show", "1")) == [
        "version 1: the champion, published 2023-11-14 22:13:20 UTC by round 7",
        "lists: 256 learned, of them 64 after they had judged",
        "left out: 2 of users who have far more than others, 0 with other features",
        f"features {manifest['schema_hash']}, tasks {manifest['task_hash']}, in {registry.path(1)}",
        "whole, and can be served",
        "The gate: may serve: no task is worse [beyond] noise",
        "click predictions moved by 0.030 (stability index) on 1,200 rows",
        "normalised entropy, lower is better; of dwell, squared error over variance",
        "task rows came true champion challenger change surely within PCOC verdict",
        "click 1,200 90 0.9100 0.8900 -0.0200 -0.0300 to -0.0100 1.02 surely better",
        "higher is better",
        "lists number champion challenger change verdict",
        "ndcg_at_10 70 0.6000 0.6100 +0.0100",
        "Its round: predictions made before the rows were learned",
        "task rows training loss log loss auc",
        "click 2,560 0.900 0.250 0.701",
        "dwell 9 \N{EN DASH}",
    ]


@pytest.mark.parametrize(
    ("gate", "verdict"),
    [
        (gate_of(0.05, is_worse=True), "worse"),
        (gate_of(0.005), "no worse beyond noise"),
        (gate_of(0.005, is_judged=False), "too few rows"),
    ],
)
def test_show_says_of_each_task_what_it_comes_to(tmp_path: Path, gate: dict[str, Any], verdict: str) -> None:
    with_report(tmp_path, gate)
    row = next(line for line in lines_of(run(tmp_path, "show", "1")) if line.startswith("click 1,200"))
    assert row.endswith(f"1.02 {verdict}")


def test_show_says_why_a_version_was_taken_back_and_what_is_wrong_with_its_files(tmp_path: Path) -> None:
    registry, settings = publish(tmp_path, 2), Settings()
    registry.restore(1, "click is worse by 0.1", settings.catalogue.schema_.hash, task_hash(settings.labels.tasks))
    (registry.path(2) / "weights.safetensors").write_bytes(b"torn")
    found = run(tmp_path, "show", "2")
    assert "version 2: not the champion" in found
    assert "taken back: click is worse by 0.1" in found
    assert "cannot be served: checkpoint" in found


def test_show_draws_what_the_gate_measured(tmp_path: Path) -> None:
    with_report(tmp_path, gate_of(-0.02))
    file = tmp_path / "gate.png"
    run(tmp_path, "show", "1", "--plot", str(file))
    assert file.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputFileError, match=r"cannot be written .*name a file in a folder that exists"):
        run(tmp_path, "show", "1", "--plot", str(tmp_path / "missing" / "gate.png"))


def test_without_a_gate_there_is_nothing_to_draw(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    with pytest.raises(VersionError, match="published without a gate"):
        run(tmp_path, "show", "1", "--plot", str(tmp_path / "gate.png"))


def test_show_names_the_versions_there_are(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    with pytest.raises(VersionError, match=r"no version 9 in .*; kept are \[1\]"):
        run(tmp_path, "show", "9")


def test_promoting_a_version_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    registry = publish(tmp_path, 2)
    with pytest.raises(VersionError, match="no version 9"):
        run(tmp_path, "promote", "9")
    assert registry.champions().version == 2
