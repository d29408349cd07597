"""What exploration and explanations add to scoring: 64 own lists of 200 candidates, users with 96 answers, 20 places.

One thread; all are run in turn, round by round. Milliseconds are medians of processor time, a list. Exploration is what
`predict_raised` takes of the rows that compete, and the selection by Thompson sampling beyond that without exploration.
Run `python -m benchmarks.exploring --json FILE` (half a minute).
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import machine
from benchmarks.speed_load import SCHEMA, TASKS, fit_content, request, with_random_outputs
from models.explain import explain
from models.inputs import RankerInputs
from models.item_side import ItemSide
from models.raised_taste import predict_raised
from models.ranker import Ranker
from models.ranker_config import RankerConfig
from streams.ranking.slate import FRESH, seeded_uniform, select_own
from streams.ranking.thompson import MAX_CONTENDERS

__all__ = ["main"]

NUM_USERS, NUM_CANDIDATES, NUM_PLACES, NUM_CATEGORIES = 64, 200, 20, 50
ROUNDS, WARM_UP = 15, 3
Run = Callable[[], object]


def scoring_runs(ranker: Ranker, inputs: RankerInputs, side: ItemSide) -> dict[str, Run]:
    """All lists at once."""
    prepared = ranker.prepare(inputs, side)
    of_user_R = torch.arange(NUM_PLACES + MAX_CONTENDERS)
    row_R = (torch.arange(NUM_USERS).unsqueeze(1) * NUM_CANDIDATES + of_user_R).flatten()
    return {
        "predict": partial(ranker.predict, inputs, side),
        "raise": partial(predict_raised, ranker, prepared, row_R),
    }


def selection_runs(ranker: Ranker, inputs: RankerInputs, side: ItemSide) -> dict[str, Run]:
    """One list after the other, by click chance."""
    prepared = ranker.prepare(inputs, side)
    found, raised = ranker.predict(inputs, side), predict_raised(ranker, prepared, torch.arange(len(inputs.slate_N)))
    value_UC = found["click"].double().view(NUM_USERS, -1).numpy()
    deviation_UC = np.abs(raised["click"].double().view(NUM_USERS, -1).numpy() - value_UC)
    category_UC = np.random.default_rng(1).integers(0, NUM_CATEGORIES, value_UC.shape).astype(np.int32)
    tier_C = np.full(value_UC.shape[1], FRESH, np.int8)

    def run(explore_frac: float) -> None:
        for user, (value_C, deviation_C, category_C) in enumerate(
            zip(value_UC, deviation_UC, category_UC, strict=True)
        ):
            select_own(
                value_C,
                tier_C,
                category_C,
                k=NUM_PLACES,
                category_share_max=0.5,
                explore_frac=explore_frac,
                uniform=seeded_uniform(f"list-{user}"),
                deviation_N=deviation_C,
            )

    return {"select": partial(run, 0.0), "select, exploring": partial(run, 0.05)}


def explaining_run(ranker: Ranker, inputs: RankerInputs, side: ItemSide) -> Run:
    """The first items of one list."""
    first = RankerInputs(
        user_SU=inputs.user_SU[:1],
        item_NI=inputs.item_NI[:NUM_PLACES],
        cross_NX=inputs.cross_NX[:NUM_PLACES],
        slate_N=inputs.slate_N[:NUM_PLACES],
        content_N=inputs.content_N[:NUM_PLACES],
        content=inputs.content,
        history=inputs.history.each(lambda tensor: tensor[:1]),
    )
    return partial(explain, ranker, first, side)


def medians_ms(runs: dict[str, Run], num_rounds: int) -> dict[str, float]:
    """Processor time of each, once a round."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    with torch.inference_mode():
        for _ in range(num_rounds + WARM_UP):
            for name, run in runs.items():
                start = time.process_time()
                run()
                times[name].append(1e3 * (time.process_time() - start))
    return {name: float(np.median(times_ms[WARM_UP:])) for name, times_ms in times.items()}


def main() -> None:
    """Print the figures, and write them when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file to write the result to")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ran_on = machine()
    inputs = request(np.random.default_rng(0), NUM_USERS, NUM_CANDIDATES)
    torch.manual_seed(0)
    ranker = Ranker(RankerConfig(), SCHEMA, TASKS)
    fit_content(ranker, inputs.content)
    ranker, side = with_random_outputs(ranker, inputs), ranker.item_side(inputs.content)
    of_all = {**scoring_runs(ranker, inputs, side), **selection_runs(ranker, inputs, side)}
    runs = {**of_all, "explain": explaining_run(ranker, inputs, side)}
    found = medians_ms(runs, arguments.rounds)
    list_ms = {name: ms / NUM_USERS if name in of_all else ms for name, ms in found.items()}
    list_ms["exploration adds"] = list_ms["raise"] + list_ms["select, exploring"] - list_ms["select"]
    text = json.dumps({"machine": ran_on, "list_ms": list_ms}, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
