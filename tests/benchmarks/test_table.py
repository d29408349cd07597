import json
import shutil
import subprocess
from pathlib import Path

from benchmarks.table import benchmarks_in, write_page
from benchmarks.table_plots import Bar, bars, ratio_plot
from benchmarks.table_rows import Row, rows_of, shown
from benchmarks.table_text import HEAD, Benchmark, page

RESULT = {
    "machine": {"processor": "A | B", "cores": 2, "load_1min_before": 0.25},
    "versions": {"kafka-python": "3.0.12"},
    "facts": {"rounds": 3, "is_warm": True, "seeds": [0, 1], "note": None},
    "own": {"events_per_s": 41_234.5, "wait": {"p50_ms": 4.25, "p99_ms": 61}},
    "peers": {
        "one": {"events_per_s": 20_000, "cpu_us": 12.3456},
        "two": {"events_per_s": 10_000, "cpu_us": 0.5},
        "three": {"failed": "not installed"},
    },
    "ratios": {"ours / one": 2.061725, "ours / two": 4.12345},
    "goals": {"ours / one": 3.0, "ours / two": 4.0, "wait": {"p99_ms": 60, "p50_ms": 15}, "ours / four": 2},
}

PAGE = """

| benchmark | what it measures | measured | goals met |
| --- | --- | --- | --- |
| burst | Ten times the load. | not measured |  |
| [clients](#clients) | Events a second, ours and others. | 2026-11-28 | 2 of 4 |

## clients

Events a second,
ours and others.

Run it.

```sh
python -m benchmarks.clients --json build/bench/clients.json
```

Measured 2026-11-28. Machine: processor A | B, cores 2, load_1min_before 0.25.

Versions: kafka-python 3.0.12.

![Ratios of clients](plots/clients.svg)

| figure | value | goal |
| --- | --- | --- |
| facts.rounds | 3 |  |
| facts.is_warm | yes |  |
| facts.seeds | 0, 1 |  |
| facts.note |  |  |
| own.events_per_s | 41,234 |  |
| own.wait.p50_ms | 4.25 | at most 15: met |
| own.wait.p99_ms | 61 | at most 60: missed |

|  | events_per_s | cpu_us |
| --- | --- | --- |
| peers.one | 20,000 | 12.3 |
| peers.two | 10,000 | 0.5 |

| figure | value | goal |
| --- | --- | --- |
| peers.three.failed | not installed |  |
| ratios.ours / one | 2.06 | at least 3: missed |
| ratios.ours / two | 4.12 | at least 4: met |
| goals.ours / four | not in the result | 2 |"""


def test_the_page_lists_all_benchmarks_and_shows_every_figure_of_the_measured() -> None:
    doc = "Events a second,\nours and others.\n\nRun it."
    measured = Benchmark("clients", doc, RESULT, "2026-11-28", "plots/clients.svg")
    assert page([Benchmark("burst", "Ten times the load."), measured]) == HEAD + PAGE


def test_what_has_no_result_here_keeps_what_the_page_said(tmp_path: Path) -> None:
    """Benchmarks take hours, and not all of them on one machine."""
    sources, here, page_folder = (tmp_path / name for name in ("sources", "here", "page"))
    for folder in (sources, here, page_folder):
        folder.mkdir()
    for name in ("a", "b", "c"):
        (sources / f"{name}.py").write_text(f'"""{name}.\n\nMore."""\nadd_argument("--json")')
    results = {"a": {"ratios": {"x": 2}, "goals": {"x": 3}}, "b": {"own": {"n": 1}}}
    for name, result in results.items():
        (here / f"{name}.json").write_text(json.dumps(result))
    write_page(benchmarks_in(sources, here), page_folder)
    both = (page_folder / "README.md").read_text()
    (here / "a.json").unlink()
    write_page(benchmarks_in(sources, here, both), page_folder)

    assert (page_folder / "README.md").read_text() == both
    assert [path.name for path in (page_folder / "plots").iterdir()] == ["a.svg"]
    assert ("| 0 of 1 |" in both, "| c | c. | not measured |  |" in both) == (True, True)


def test_a_result_without_goals_or_machine_says_so() -> None:
    text = page([Benchmark("a", "A.", {"own": {"x": {"n": 1}}}, "2026-11-28")])
    assert text.partition("## a")[2] == (
        "\n\nA.\n\n```sh\npython -m benchmarks.a --json build/bench/a.json\n```\n\n"
        "Measured 2026-11-28. Machine: not said.\n\nVersions: not said.\n\n"
        "| figure | value |\n| --- | --- |\n| own.x.n | 1 |"
    )


def test_a_rate_is_to_reach_its_goal_and_a_time_to_stay_below_it_wherever_the_unit_stands() -> None:
    result = {
        "own": {"rate_per_s": 10, "feed_s": 2.0, "lag_ms": {"p50": 3}, "rows": 7},
        "goals": {"rate_per_s": 11, "feed_s": 1, "lag_ms": {"p50": 3}, "rows": "as many as there are"},
    }
    assert rows_of(result) == [
        Row("own.rate_per_s", 10, 11, False),
        Row("own.feed_s", 2.0, 1, False),
        Row("own.lag_ms.p50", 3, 3, True),
        Row("own.rows", 7, "as many as there are", None),
    ]


def test_lists_of_records_are_numbered_and_lists_of_values_are_one_figure() -> None:
    assert rows_of({"own": {"curve": [{"workers": 1}, {"workers": 2}], "seeds": [1, 2], "none": []}}) == [
        Row("own.curve.0.workers", 1),
        Row("own.curve.1.workers", 2),
        Row("own.seeds", [1, 2]),
        Row("own.none", []),
    ]


def test_values_are_short() -> None:
    values = [0, 1234, 1234.5, 999.4, 0.00012345, -1.5, True, None, "e|f", [1.25, "x"]]
    assert [shown(value) for value in values] == [
        "0", "1,234", "1,234", "999", "0.000123", "-1.5", "yes", "", "e|f", "1.25, x",
    ]  # fmt: skip


def test_ratios_become_bars_with_their_goals() -> None:
    assert bars(rows_of(RESULT)) == [Bar("ours / one", 2.061725, 3.0), Bar("ours / two", 4.12345, 4.0)]


def test_gains_and_failures_are_not_drawn() -> None:
    assert bars(rows_of({"ratios": {"gain": -0.1, "other": 2.0}})) == []
    assert bars(rows_of({"ratios": {"ours / one": "failed"}})) == []


def test_the_same_figures_give_the_same_plot() -> None:
    first, second = (ratio_plot([Bar("ours / one", 2.0, 3.0), Bar("ours / two", 0.5, None)]) for _ in range(2))
    assert first == second
    assert [word in first.decode() for word in ("ours / one  2", "ours / two  0.5", "its goal")] == [True, True, True]


def test_a_benchmark_is_a_module_with_the_option_and_its_result_is_the_file_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text('"""B."""\nadd_argument("--json")')
    (tmp_path / "a.py").write_text('"""A.\n\nMore."""\nadd_argument("--json")')
    (tmp_path / "role.py").write_text('"""No benchmark."""')
    (tmp_path / "b.json").write_text('{"own": {"n": 1}}')
    found = benchmarks_in(tmp_path, tmp_path)
    assert [one._replace(measured_on="") for one in found] == [
        Benchmark("a", "A.\n\nMore."),
        Benchmark("b", "B.", {"own": {"n": 1}}),
    ]
    assert [bool(one.measured_on) for one in found] == [False, True]


def test_make_runs_what_the_page_lists() -> None:
    root = Path(__file__).parents[2]
    make = shutil.which("make")
    assert make is not None
    done = subprocess.run([make, "-n", "bench"], cwd=root, capture_output=True, text=True, check=True)
    listed = [one.name for one in benchmarks_in(root / "benchmarks", root / "build" / "bench")]
    assert sorted(done.stdout.partition("for name in ")[2].partition(";")[0].split()) == listed


def test_a_page_replaces_the_one_before_with_its_plots(tmp_path: Path) -> None:
    result = {"ratios": {"ours / one": 2.0}}
    write_page([Benchmark("a", "A.", result, "2026-11-28"), Benchmark("b", "B.", result, "2026-11-28")], tmp_path)
    write_page([Benchmark("a", "A."), Benchmark("b", "B.", {"own": {"n": 1}}, "2026-11-28")], tmp_path)
    assert [file.relative_to(tmp_path).as_posix() for file in sorted(tmp_path.rglob("*.*"))] == ["README.md"]
