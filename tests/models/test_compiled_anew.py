"""Code compiled just now gives the bits that the same code gives when it comes from the cache of compiled code."""

import subprocess
import sys
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]


def state(cache: Path, file: Path) -> dict[str, Tensor]:
    command = ["env", f"NUMBA_CACHE_DIR={cache}", sys.executable, "-m", "tests.models.compiled_state", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    return safetensors.torch.load_file(file)


def test_what_is_learned_and_scored_does_not_depend_on_who_compiled_it(tmp_path: Path) -> None:
    """A trainer that was restarted must end with the weights of one that was not."""
    cache = tmp_path / "cache"
    anew, cached = (state(cache, tmp_path / name) for name in ("anew", "cached"))
    assert list(cache.rglob("*.nbi"))
    assert anew.keys() == cached.keys()
    assert [name for name in anew if not torch.equal(anew[name].nan_to_num(), cached[name].nan_to_num())] == []
