"""Time to score 64 users x 200 candidates for five tasks: ours in three shapes beside torch-rechub's MMoE.

One thread; all contestants are run in turn, round by round, so that a busy machine is busy for all of them. Ours is
`Ranker.predict`, calibration included; the item side is known, as the
scorer keeps it per version, but where it says otherwise. Figures are medians; a
ratio above 1 is in our favour. Run `python -m benchmarks.scoring --json FILE` (a minute).
"""

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import machine
from benchmarks.rechub_shape import dense_table, embedded_table, mmoe
from benchmarks.speed_load import SCHEMA, TASKS, as_features, fit_content, request, with_random_outputs
from models.inputs import RankerInputs
from models.ranker import Ranker
from models.ranker_config import RankerConfig

__all__ = ["main"]

NUM_USERS, NUM_CANDIDATES, ROUNDS, WARM_UP = 64, 200, 15, 3
TOP = 10
PEERS = ("torch-rechub MMoE", "torch-rechub MMoE, ids embedded")
SHAPES = {
    "full, with taste": RankerConfig(),
    "full, without taste": RankerConfig(taste_columns=0),
    "compact": RankerConfig.compact(),
}
GOALS = {"full, with taste": 4.0, "full, without taste": 5.0, "compact": 8.0}
Run = Callable[[], Any]


def ranker_of(config: RankerConfig, inputs: RankerInputs) -> Ranker:
    """As if it had learned."""
    torch.manual_seed(0)
    made = Ranker(config, SCHEMA, TASKS)
    fit_content(made, inputs.content)
    return with_random_outputs(made, inputs)


def frozen(made: Ranker, dtype: torch.dtype) -> Ranker:
    """The same ranker to serve, as the scorer freezes a version that it takes."""
    served = copy.deepcopy(made)
    served.freeze(dtype)
    return served


def own_runs(inputs: RankerInputs) -> dict[str, Run]:
    """Ours, by shape, number format and what is known before the request."""
    runs: dict[str, Run] = {}
    for name, config in SHAPES.items():
        made = ranker_of(config, inputs)
        side = made.item_side(inputs.content)
        served = frozen(made, torch.float32)
        runs[f"{name}, fp32"] = partial(served.predict, inputs, side)
        runs[f"{name}, bf16"] = partial(frozen(made, torch.bfloat16).predict, inputs, side)
        if made.taste is not None:
            runs[f"{name}, fp32, item side not known"] = partial(served.predict, inputs)
    return runs


def in_bfloat16(run: Run) -> Any:  # noqa: ANN401  whatever `run` gives
    """By autocast, which decides what is in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        return run()


def peer_runs(inputs: RankerInputs, rng: np.random.Generator) -> dict[str, Run]:
    """torch-rechub in the shape of ours, in evaluation mode; bf16 by autocast, as its users would."""
    config, features_NF = RankerConfig(), as_features(inputs)
    num_experts = Ranker(config, SCHEMA, TASKS).experts.num_experts
    runs: dict[str, Run] = {}
    for name, table in zip(
        PEERS, (dense_table(features_NF), embedded_table(features_NF, inputs.slate_N, rng)), strict=True
    ):
        model = mmoe(table, config, num_experts, len(TASKS)).eval()
        runs[f"{name}, fp32"] = partial(model, table)
        runs[f"{name}, bf16"] = partial(in_bfloat16, partial(model, table))
    return runs


def race(runs: dict[str, Run], num_rounds: int) -> dict[str, NDArray[np.float64]]:
    """Milliseconds float64[rounds, 2] of every contestant, each once a round: by the clock, and of processor time."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    with torch.inference_mode():
        for round_ in range(num_rounds + WARM_UP):
            for name, run in runs.items():
                start, start_cpu = time.perf_counter(), time.thread_time()
                run()
                if round_ >= WARM_UP:
                    times[name].append((time.perf_counter() - start, time.thread_time() - start_cpu))
    return {name: 1e3 * np.array(found) for name, found in times.items()}


def figures(times_ms: NDArray[np.float64]) -> dict[str, float]:
    """Medians in milliseconds and rows a second; `cpu`: of processor time, which others on the machine change less."""
    median_ms, cpu_ms = np.median(times_ms, 0).tolist()
    rows = 1e3 * NUM_USERS * NUM_CANDIDATES
    return {
        "median_ms": median_ms,
        "p95_ms": float(np.percentile(times_ms[:, 0], 95)),
        "median_cpu_ms": cpu_ms,
        "rows_per_cpu_s": rows / cpu_ms,
    }


def overlaps(runs: dict[str, Run]) -> dict[str, float]:
    """Share of a user's TOP by click chance that bf16 and fp32 have in common, by shape."""
    found = {}
    with torch.inference_mode():
        for name in SHAPES:
            tops = [_top(runs[f"{name}, {kind}"]()) for kind in ("fp32", "bf16")]
            common = [len(set(one) & set(other)) for one, other in zip(*tops, strict=True)]
            found[name] = float(np.mean(common)) / TOP
    return found


def _top(predictions: dict[str, torch.Tensor]) -> list[list[int]]:
    top: list[list[int]] = predictions["click"].view(NUM_USERS, NUM_CANDIDATES).float().topk(TOP).indices.tolist()
    return top


def ratios(medians_ms: dict[str, float], own: Iterable[str]) -> dict[str, float]:
    """How many times the processor time each peer takes, in each of its number formats."""
    peers = [name for name in medians_ms if name.startswith(PEERS)]
    return {f"{peer} / {name}": medians_ms[peer] / medians_ms[name] for name in own for peer in peers}


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description="time to score a batch of requests")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ran_on = machine()
    rng = np.random.default_rng(0)
    inputs = request(rng, NUM_USERS, NUM_CANDIDATES)
    own, peers = own_runs(inputs), peer_runs(inputs, rng)
    times = race({**own, **peers}, arguments.rounds)
    found = {name: figures(times_ms) for name, times_ms in times.items()}
    result = {
        "machine": {**ran_on, "cpu_capability": torch.backends.cpu.get_cpu_capability()},
        "versions": {name: version(name) for name in ("freshrank", "torch", "torch-rechub")},
        "facts": {"rows": len(inputs.slate_N), "tasks": len(TASKS), "features": as_features(inputs).shape[1]},
        "own": {name: found[name] for name in own},
        "peers": {name: found[name] for name in peers},
        "ratios": ratios({name: one["median_cpu_ms"] for name, one in found.items()}, own),
        "goals": {f"{PEERS[0]}, fp32 / {name}, fp32": goal for name, goal in GOALS.items()},
        "top_10_overlap_of_bf16_with_fp32": overlaps(own),
    }
    text = json.dumps(result, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
