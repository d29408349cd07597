"""`torchrun --nproc-per-node 2 -m streams.cli trainer --bootstrap`: two processes make what one would make."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.checkpoint import read_tensors
from streams.settings import Settings
from streams.training.bootstrap import Patience
from streams.training.bootstrap_job import run_bootstrap
from tests.training.taste_world import ready_slates
from tests.training.trainers import Trainer

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["trainer", "--bootstrap", "--max-passes", "2", "--patience", "2", "--json"]


def together(settings: Settings) -> subprocess.CompletedProcess[str]:
    told = [f"{name}={value}" for name, value in settings.to_env().items()]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = ["env", *told, "GLOO_SOCKET_IFNAME=lo", *torchrun, "-m", "streams.cli", *ARGUMENTS]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)


def test_two_processes_publish_once_and_what_one_process_publishes(trainer_settings: Settings, tmp_path: Path) -> None:
    trainer = Trainer(trainer_settings)
    trainer.feed(ready_slates(160))
    trainer.close()
    alone = trainer_settings.model_copy(update={"data_dir": tmp_path / "alone"})
    shutil.copytree(trainer_settings.data_dir, alone.data_dir)
    expected = run_bootstrap(alone, Patience(max_passes=2, num_checks=2), 5_000, lambda *_: None)
    assert expected is not None

    done = together(trainer_settings)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    curve = [loss for _, loss in found["curve"]]
    assert curve == pytest.approx([loss for _, loss in expected.report.curve], abs=1e-4)
    assert (found["champion_version"], found["num_learned"], found["num_train"]) == (1, 160, 128)
    for folder in ("models", "trainer"):
        [path] = (trainer_settings.data_dir / folder).glob("*/weights.safetensors")
        weights, others = (
            read_tensors(one.parent)[0] for one in (path, alone.data_dir / path.relative_to(trainer_settings.data_dir))
        )
        assert weights.keys() == others.keys()
        for name, weight in weights.items():
            torch.testing.assert_close(weight, others[name], rtol=1e-3, atol=1e-4, equal_nan=True, msg=name)
