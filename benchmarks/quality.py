"""Ranking quality on RankLens: ours in the stream, and every peer on the same captured features, split and seeds.

Ours runs in one process as `freshrank evaluate` does (stream_run.py); peers that learn once get the training part and
are frozen at the split, the last fifth of the lists with a click. A peer that is not installed, or breaks, is listed
with its reason. Run `python -m benchmarks.quality --json FILE`; progress goes to standard error.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.example_table import ExampleTable, split_index, table_of
from benchmarks.log_examples import LogExamples, read_examples
from benchmarks.machine import machine
from benchmarks.quality_figures import Figures, Ranked, figures_of, firsts, mean_and_spread, ndcg_by_list, paired_gain
from benchmarks.ranklens import RANKLENS, MissingDataError, checked
from benchmarks.stream_run import run_stream
from streams.replay.ranked_lists import RankedList

__all__ = ["main"]

TRAIN_FRAC, HELD_OUT_FRAC = 0.8, 0.8
OURS = "freshrank"
PACKAGES = ("freshrank", "torch", "numpy", "scikit-learn", "lightgbm", "torch-rechub", "river")
# Name, module and function of peers that learn the training part once.
FROZEN_PEERS = (
    ("LightGBM lambdarank", "benchmarks.lightgbm_peer", "lambdarank"),
    ("LightGBM cross-entropy", "benchmarks.lightgbm_peer", "cross_entropy"),
    ("torch-rechub MMoE", "benchmarks.rechub_peer", "mmoe"),
    ("torch-rechub PLE", "benchmarks.rechub_peer", "ple"),
)


@dataclass(slots=True)
class Bench:
    """The log, its table, and what has been found so far. `first`: index of the first list after the split."""

    log: LogExamples
    table: ExampleTable
    first: int
    runs: dict[str, list[Ranked]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def test(self) -> ExampleTable:
        """Rows after the split."""
        return self.table.part(self.first, len(self.log.lists))

    def add(self, name: str, make: Callable[[], Ranked]) -> None:
        """Run one, or note why it could not."""
        try:
            found = make()
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is its result
            self.failed[name] = f"{type(error).__name__}: {error}"
            say(f"{name}: failed: {self.failed[name]}")
            return
        self.runs.setdefault(name, []).append(found)
        say(f"{name}: {figures_of(self.test, found)}")


def say(words: str) -> None:
    """Progress, for who waits."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def run_ours(bench: Bench, seed: int) -> None:
    """Ours, and the same frozen at the split; and the click task alone."""
    run = run_stream(bench.log, seed=seed, frozen_from=bench.first)
    bench.add(OURS, lambda: of_lists(run.lists[bench.first :], OURS))
    bench.add("freshrank, frozen at the split", lambda: of_lists(run.frozen_lists[bench.first :], OURS))
    labels = bench.log.settings.labels
    click = tuple(task for task in labels.tasks if task.name == "click")
    alone = bench.log.settings.model_copy(update={"labels": labels.model_copy(update={"tasks": click})})
    bench.add(
        "freshrank, click task alone",
        lambda: of_lists(run_stream(bench.log, seed=seed, settings=alone).lists[bench.first :], OURS),
    )


def run_frozen_peers(bench: Bench, seed: int) -> None:
    """Peers that learn the training part and stop."""
    middle = int(bench.first * HELD_OUT_FRAC)
    learned, held_out = bench.table.part(0, middle), bench.table.part(middle, bench.first)

    def run(module: str, function: str) -> Ranked:
        found: Ranked = getattr(import_module(module), function)(learned, held_out, bench.test, seed)
        return found

    for name, module, function in FROZEN_PEERS:
        bench.add(name, lambda module=module, function=function: run(module, function))  # type: ignore[misc]


def run_seedless(bench: Bench) -> None:
    """What no seed changes: the online rules, and River."""

    def river() -> Ranked:
        peer = import_module("benchmarks.river_peer")
        found: Ranked = peer.logistic_regression(bench.table, bench.first)
        return found

    lists = bench.log.lists[bench.first :]
    bench.add("River logistic regression", river)
    bench.add("online click rate", lambda: with_probability(of_lists(lists, "item_ctr")))
    bench.add("popularity", lambda: Ranked(popularity(bench.table)[-len(bench.test.y_N) :]))
    for name in ("as_shown", "random"):
        bench.add(name.replace("_", " "), lambda name=name: of_lists(lists, name))  # type: ignore[misc]


def of_lists(lists: Sequence[RankedList], ranker: str) -> Ranked:
    """A ranker's scores of these lists; its probabilities too when it is ours."""
    score_N = np.concatenate([one.scores[ranker] for one in lists])
    if ranker != OURS:
        return Ranked(score_N)
    return Ranked(score_N, np.concatenate([np.asarray(one.p_click) for one in lists]))


def with_probability(ranked: Ranked) -> Ranked:
    """A click rate is a probability."""
    return Ranked(ranked.score_N, ranked.score_N)


def popularity(table: ExampleTable) -> NDArray[np.float64]:
    """float64[N]: clicks of the last week before the list, logarithmic, as captured."""
    column = table.features_NF[:, table.names.index("item_log_clicks_7d")]
    return np.nan_to_num(column.astype(np.float64))


def report(bench: Bench) -> dict[str, Any]:
    """Figures of all, gains of ours, and who is first."""
    figures = {
        name: mean_and_spread([figures_of(bench.test, run) for run in runs]) for name, runs in bench.runs.items()
    }
    own, others = figures.pop(OURS), figures
    failed: dict[str, dict[str, str]] = {name: {"failed": reason} for name, reason in bench.failed.items()}
    return {
        "own": own,
        "peers": {**others, **failed},
        "ratios": {f"gain in NDCG@10 over {name}": asdict(gain) for name, gain in gains(bench, others).items()},
        "order": firsts({OURS: own, **others}),
    }


def gains(bench: Bench, others: dict[str, Figures]) -> dict[str, Any]:
    """Paired by list, seeds averaged."""
    rng = np.random.default_rng(0)
    test = bench.test
    user_L = bench.table.user_L[np.unique(test.of_lists_with_click().list_N)]
    ours_L = ndcg_by_list(test, bench.runs[OURS])
    return {name: paired_gain(ours_L, ndcg_by_list(test, bench.runs[name]), user_L, rng) for name in others}


def main() -> None:
    """Run, print, and write."""
    parser = argparse.ArgumentParser(description="ranking quality on RankLens, ours beside peers")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--data", type=Path, default=RANKLENS, help="RankLens, in Metarank's event form")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    try:
        file = checked(arguments.data)
    except MissingDataError as error:
        parser.exit(1, f"{error}\n")
    ran_on = machine()
    log = read_examples(file, "metarank")
    bench = Bench(log, table_of(log), split_index(log.lists, TRAIN_FRAC))
    for seed in arguments.seeds:
        run_ours(bench, seed)
        run_frozen_peers(bench, seed)
    run_seedless(bench)
    facts = {"seeds": arguments.seeds, "lists": len(log.lists) - bench.first, "features": len(bench.table.names)}
    result = {"machine": ran_on, "versions": versions(), "facts": facts, **report(bench)}
    text = json.dumps(result, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


def versions() -> dict[str, str]:
    """Installed versions; a package that is absent says so."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


if __name__ == "__main__":
    main()
