"""What holds the house together: directions of imports, who knows which library, sizes, names, the command list."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from streams.cli import app

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "streams", "feature_repo")
MAX_LINES = 250
MAX_BODY_LINES = 40

# Each may import what stands before it, never what stands after it.
FLOW = (
    "models",
    "streams.errors",
    "streams.clock",
    "streams.settings",
    "streams.topics",
    "streams.kafka",
    "streams.observability",
    "streams.events",
    "streams.features",
    "feature_repo",
    "streams.features.feast_repo",  # lays the definitions out for one run
    "streams.examples",
    "streams.training",
    "streams.ranking",
    "streams.clients",
    "streams.worker",
    "streams.app",
    "streams.supervisor",
    "streams.replay",
    "streams.erasure",
    "streams.demo",
    "streams.report",
    "streams.commands",
    "streams.cli",
)

# Library -> the only places that may import it.
KNOWN_BY = {
    "torch": (
        "models/",
        "streams/training/",
        "streams/ranking/scorer.py",
        "streams/ranking/task_inputs.py",
        "streams/ranking/item_sides.py",
    ),
    "safetensors": ("models/",),
    "faust": ("streams/kafka/", "streams/app.py", "*/agents.py"),
    "kafka": ("streams/kafka/", "streams/clients/"),
    "aiokafka": ("streams/kafka/",),
    "feast": ("streams/features/feast_*.py", "feature_repo/"),
}
# A record as a consumer returns it: a type, not a connection.
TYPES_ONLY = {"aiokafka.structs"}

# The command line is part of the contract: a name that changes here breaks somebody's script.
COMMANDS = {
    "broker",
    "dead-letters",
    "demo",
    "evaluate",
    "forget",
    "lag",
    "models",
    "rank",
    "replay",
    "schema",
    "topics",
    "trainer",
    "up",
    "validate",
    "worker",
}
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if "__pycache__" not in path.parts)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def place_in_flow(module: str) -> int | None:
    """The longest entry that names the module or a package around it; None for what is not ours."""
    found = [entry for entry in FLOW if module == entry or module.startswith(f"{entry}.")]
    return FLOW.index(max(found, key=len)) if found else None


def test_every_module_has_a_place_in_the_flow() -> None:
    empty_packages = {"streams", "feature_repo"}
    assert [m for m in map(module_of, sources(*PACKAGES)) if place_in_flow(m) is None and m not in empty_packages] == []


def test_imports_point_one_way() -> None:
    wrong = []
    for path in sources(*PACKAGES):
        here = place_in_flow(module_of(path))
        for module in imports(path):
            there = place_in_flow(module)
            if here is not None and there is not None and there > here:
                wrong.append(f"{module_of(path)} imports {module}")
    assert wrong == []


def test_the_rule_of_directions_can_fail() -> None:
    """The two tests above would pass on a flow that matches nothing."""
    places = [place_in_flow(m) for m in ("models.ranker", "streams.events.decode", "streams.worker.agents", "kafka")]
    assert places == [0, FLOW.index("streams.events"), FLOW.index("streams.worker"), None]


@pytest.mark.parametrize("library", KNOWN_BY)
def test_only_some_places_know_a_library(library: str) -> None:
    knowing = {
        path.relative_to(ROOT)
        for path in sources(*PACKAGES)
        for module in imports(path)
        if (module == library or module.startswith(f"{library}."))
        and not any(module.startswith(types) for types in TYPES_ONLY)
    }
    allowed = KNOWN_BY[library]
    assert knowing, f"nobody imports {library}: the rule is out of date"
    assert [
        str(path)
        for path in sorted(knowing)
        if not any(
            path.match(rule) if "*" in rule or rule.endswith(".py") else path.is_relative_to(rule) for rule in allowed
        )
    ] == []


@pytest.mark.parametrize("module", ["streams.cli", "streams.settings", "models.feature_schema", "streams.topics"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    """`freshrank --help` answers at once, and whoever reads the settings does not pay for torch."""
    heavy = {"torch", "feast", "faust", "kafka", "aiokafka", "pyarrow", "pandas"}
    code = f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


def test_files_are_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(*PACKAGES, "benchmarks", "tests")
    }
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_functions_are_short() -> None:
    long = []
    for path in sources(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                has_docstring = ast.get_docstring(node) is not None and len(node.body) > 1
                first = node.body[1] if has_docstring else node.body[0]
                lines = (node.end_lineno or 0) - first.lineno + 1
                if lines > MAX_BODY_LINES:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines")
    assert long == []


def test_no_file_is_named_for_nothing() -> None:
    assert [str(path) for path in sources(*PACKAGES, "benchmarks", "tests") if path.stem in BANNED_NAMES] == []


def test_every_module_says_what_it_is_and_what_it_offers() -> None:
    silent = []
    for path in sources(*PACKAGES):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            t.id for node in tree.body if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name)
        }
        if path.stem != "__init__" and not (ast.get_docstring(tree) and "__all__" in names):
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_nothing_listens_beyond_this_machine() -> None:
    assert [str(path) for path in sources(*PACKAGES) if "0.0.0.0" in path.read_text(encoding="utf-8")] == []  # noqa: S104


def test_the_command_list_is_fixed_and_each_command_has_one_sentence_of_help() -> None:
    commands = typer.main.get_group(app).commands
    assert set(commands) == COMMANDS
    for name, command in commands.items():
        sentence = (command.help or "").strip()
        assert sentence.endswith("."), name
        assert "\n\n" not in sentence, name


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"freshrank {command}" in (ROOT / "README.md").read_text(encoding="utf-8")
