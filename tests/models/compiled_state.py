"""Learns two steps and scores, all of it compiled code, in a process of its own: what it ends with, in a file."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from models.finetune import FineTuneConfig, FineTuner
from models.tasks import DEFAULT_TASKS
from tests.models.taste_shop import FILMS, SCHEMA, taste
from tests.models.test_ranker_taste import batch

# Sums over many rows, as only those are added up in vectors.
NUM_SLATES, NUM_ANSWERS = 70, 20


def answers(seed: int) -> Sequence[list[tuple[int, float]]]:
    """Of one user a slate."""
    rng = np.random.default_rng(seed)
    films = rng.integers(0, len(FILMS), (NUM_SLATES, NUM_ANSWERS))
    return [[(int(film), float(rng.random() < 0.4)) for film in of_user] for of_user in films]


def main(file: Path) -> None:
    torch.set_num_threads(1)
    tuner = FineTuner(FineTuneConfig(), SCHEMA, DEFAULT_TASKS, device="cpu", seed=3)
    assert tuner.ranker.taste is not None
    tuner.ranker.taste.load_state_dict(taste().state_dict())
    for seed in range(2):
        tuner.learn(batch(answers(seed), seed))
    scores = tuner.serving_model().predict(batch(answers(2), 2))
    safetensors.torch.save_file({**tuner.state_dict(), **{f"scores.{task}": N for task, N in scores.items()}}, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
