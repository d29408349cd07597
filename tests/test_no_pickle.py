"""Nothing that is read from a disk or a network can name code to run: no pickle, no eval, in the source or when run."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unpickling import WATCHED

ROOT = Path(__file__).parents[1]
FOLDERS = ("streams", "models", "feature_repo", "benchmarks", "tests")
# Each of them turns bytes into objects of any type, or sends objects to another process that way.
MODULES = {
    "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle",
    "multiprocessing",
}  # fmt: skip
CALLS = {
    "torch.load", "torch.save", "torch.package", "torch.hub", "np.load", "np.save", "np.savez", "numpy.load",
    "pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
    "eval", "exec", "compile", "__import__",
}  # fmt: skip
METHODS = {"to_pickle", "read_pickle", "all_gather_object", "broadcast_object_list", "scatter_object_list"}
# Python objects as values are pickled unless these are told not to.
RAW = {"Options", "WriteBatch"}


def found_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in MODULES:
            yield node.module
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in CALLS:
            yield ast.unparse(node)
        elif isinstance(node, ast.Call):
            yield from _found_in_call(node)


def _found_in_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if (name in CALLS and "." not in name) or last in METHODS:
        yield name
    if given.get("allow_pickle") == "True" or given.get("weights_only") == "False":
        yield f"{name} with pickle"
    if name in RAW and given.get("raw_mode") != "True":
        yield f"{name} without raw_mode"
    if name == "Rdict" and len(call.args) < 2:
        yield "Rdict without options"


def test_no_source_pickles_or_evaluates() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (names := sorted(found_in(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import torch.nn, joblib",
        "from multiprocessing import Queue",
        "torch.load(path)",
        "read = torch.load",
        "np.load(path)",
        "open_(path, allow_pickle=True)",
        "torch_load(path, weights_only=False)",
        "frame.to_pickle(path)",
        "dist.broadcast_object_list([1])",
        "eval(text)",
        "Options()",
        "WriteBatch(raw_mode=False)",
        "Rdict(path)",
    ],
)
def test_the_search_finds(source: str) -> None:
    assert list(found_in(source)) != []


@pytest.mark.parametrize(
    "source", ["re.compile(x)", "model.eval()", "Options(raw_mode=True)", "torch.save_it", "'pickle'"]
)
def test_the_search_spares(source: str) -> None:
    assert list(found_in(source)) == []


# Versions, the trainer's state, the buffer, the worker's state. tests/recovery/test_guarded.py watches a whole run.
READERS = (
    "tests/models/test_checkpoint.py",
    "tests/training/test_trainer_state.py",
    "tests/training/test_buffer_restart.py",
    "tests/features/test_state_store.py",
)


@pytest.mark.timeout(300)
def test_no_store_unpickles_when_it_is_read() -> None:
    run = f"{WATCHED}\nimport pytest\nsys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', *{READERS!r}]))"
    done = subprocess.run([sys.executable, "-c", run], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_watch_sees_an_unpickled_function() -> None:
    harmless = "import pickle\npickle.loads(b'cos\\ngetcwd\\n.')"
    done = subprocess.run([sys.executable, "-c", WATCHED + harmless], capture_output=True, text=True, check=False)
    assert "unpickled ('os', 'getcwd')" in done.stderr
