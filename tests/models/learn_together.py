"""A tuner with every optional part, and batches for it: learned by one process, or by those that torchrun started.

Run by torchrun: each process writes its state into a file of its own in the folder given.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from models.batch import Batch
from models.feature_schema import EVENT_KINDS
from models.finetune import FineTuneConfig, FineTuner
from models.id_learner import IdLearning
from models.objective import ObjectiveConfig
from models.peers import Peers, peers_of_torchrun
from models.ranker_config import RankerConfig
from models.tasks import DEFAULT_TASKS
from tests.models.taste_shop import FILMS, SCHEMA, taste
from tests.models.test_ranker_taste import batch as shown_films

NUM_STEPS = 8
# Slates a step: more than one each, fewer than processes, and numbers that do not divide.
SIZES = (5, 1, 8, 3)


def batch(step: int) -> Batch:
    """New slates, and beside them some of the step before as replay."""
    new = [_slates(step)]
    return Batch.concat([*new, _slates(step - 1).as_replay()]) if step % 2 else new[0]


def _slates(step: int) -> Batch:
    rng = np.random.default_rng(step)
    num = SIZES[step % len(SIZES)]
    answers = [[(int(film), float(rng.random() < 0.4)) for film in rng.integers(0, len(FILMS), 6)] for _ in range(num)]
    made = shown_films(answers, seed=step)
    actions = torch.from_numpy(rng.integers(0, len(FILMS), (num, 4)))
    history = replace(
        made.history,
        action_SH=actions,
        action_kind_SH=actions % len(EVENT_KINDS),
        action_age_s_SH=actions * 100.0,
    )
    dwell = torch.from_numpy(rng.lognormal(3, 1, made.num_rows)).float()
    cart = torch.from_numpy(rng.random(made.num_rows) < 0.3).float() * made.y["click"]
    is_known = torch.ones(made.num_rows, dtype=torch.bool)
    return replace(
        made,
        history=history,
        y={"click": made.y["click"], "dwell": dwell, "cart": cart},
        mask={"click": is_known, "dwell": made.y["click"] > 0, "cart": is_known},
        weight_N=torch.from_numpy(rng.uniform(0.5, 1.5, made.num_rows)).float(),
    )


def learned(peers: Peers | None, num_steps: int = NUM_STEPS) -> FineTuner:
    """After all steps, half of them beside a teacher."""
    config = FineTuneConfig(
        ranker=RankerConfig(id_rows=16, id_width=4, attention_width=8),
        ids=IdLearning(admission_count=3),
        objective=ObjectiveConfig(distillation_weight=0.2, balancer="famo"),
    )
    tuner = FineTuner(config, SCHEMA, DEFAULT_TASKS, device="cpu", seed=3)
    assert tuner.ranker.taste is not None
    # Six films are too few for a fit of their own.
    tuner.ranker.taste.load_state_dict(taste().state_dict())
    if peers is not None:
        tuner.join(peers)
    for step in range(num_steps):
        if step == num_steps // 2:
            tuner.teacher = tuner.serving_model()
        tuner.predict_then_calibrate(batch(step))
        tuner.learn(batch(step))
    return tuner


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with peers_of_torchrun(is_on_gpu=False) as peers:
        assert peers is not None
        tuner = learned(peers)
        first = learned(peers, num_steps=1)
        gradients = {
            f"gradient.{name}": weight.grad for name, weight in first.weights.items() if weight.grad is not None
        }
        safetensors.torch.save_file({**tuner.state_dict(), **gradients}, folder / f"{peers.rank}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
