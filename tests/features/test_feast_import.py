"""A contract: Feast's classes are not instrumented by typeguard, which would make every start some seconds longer."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAY_IF_CHECKED = """
from feast.entity import Entity
print("check_argument_types" in str(Entity.__init__.__code__.co_names))
"""
# The one module and what it needs: all of Feast takes ten times as long.
FEAST_ALONE = """
import sys, types
from importlib.util import find_spec
folders = find_spec("feast").submodule_search_locations
sys.modules["feast"] = types.ModuleType("feast")
sys.modules["feast"].__path__ = folders
"""


def said_after(first: str) -> str:
    code = f"{first}\n{SAY_IF_CHECKED}"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.strip()


@pytest.mark.parametrize("module", ["streams.features.feast_writer", "streams.features.feast_reader"])
def test_what_we_import_of_feast_checks_no_types_at_run_time(module: str) -> None:
    assert said_after(f"import {module}") == "False"


def test_feast_alone_does() -> None:
    """Fails when Feast stops using typeguard: streams/features/__init__.py can be empty then."""
    assert said_after(FEAST_ALONE) == "True"
