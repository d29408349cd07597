"""Whether ids and attention over the last actions earn their place: RankLens in the stream, with and without them.

Run `python -m benchmarks.learning_ids --json FILE`. `choose`: the last fifth of the training lists; `test`: lists after
the split. Switched on in every version of the run, nothing else is changed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.example_table import split_index, table_of
from benchmarks.log_examples import read_examples
from benchmarks.machine import machine
from benchmarks.quality import HELD_OUT_FRAC, OURS, TRAIN_FRAC, of_lists
from benchmarks.quality_figures import figures_of, mean_and_spread
from benchmarks.ranklens import RANKLENS, MissingDataError, checked
from benchmarks.stream_run import run_stream
from models.finetune import FineTuner
from models.ranker_config import RankerConfig
from streams.training.rounds import Rounds

__all__ = ["main"]

WAYS = {
    "neither": RankerConfig(),
    "attention": RankerConfig(attention_width=32),
    "ids": RankerConfig(id_rows=4096, id_width=16),
    "both": RankerConfig(id_rows=4096, id_width=16, attention_width=32),
    "attention, without the taste layer": RankerConfig(attention_width=32, taste_columns=0),
    "neither, without the taste layer": RankerConfig(taste_columns=0),
}


def shaped(rounds: Rounds, config: RankerConfig) -> None:
    """A ranker of this shape learns from the first round on."""
    tuner = rounds.learner.tuner
    how = replace(tuner.config, ranker=config)
    schema, tasks = tuner.ranker.schema, tuner.ranker.tasks
    rounds.learner.tuner = FineTuner(how, schema, tasks, device=tuner.device, seed=tuner.seed)


def run(file: Path, ways: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    """Figures by way and part of the log."""
    log = read_examples(file, "metarank")
    table, first = table_of(log), split_index(log.lists, TRAIN_FRAC)
    parts = {"choose": (int(first * HELD_OUT_FRAC), first), "test": (first, len(log.lists))}
    found: dict[str, Any] = {}
    for way in ways:
        runs = [run_stream(log, seed=seed, prepare=partial(shaped, config=WAYS[way])) for seed in seeds]
        found[way] = {}
        for name, (start, end) in parts.items():
            rows = table.part(start, end)
            found[way][name] = mean_and_spread([figures_of(rows, of_lists(one.lists[start:end], OURS)) for one in runs])
        sys.stderr.write(f"{way}: {found[way]}\n")
        sys.stderr.flush()
    return found


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description="ids and attention on RankLens, in the stream")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--data", type=Path, default=RANKLENS, help="RankLens, in Metarank's event form")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    arguments = parser.parse_args()
    try:
        file = checked(arguments.data)
    except MissingDataError as error:
        parser.exit(1, f"{error}\n")
    shapes = {way: asdict(WAYS[way]) for way in arguments.ways}
    facts = {"machine": machine(), "seeds": arguments.seeds, "shapes": shapes}
    text = json.dumps({**facts, "figures": run(file, arguments.ways, arguments.seeds)}, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
