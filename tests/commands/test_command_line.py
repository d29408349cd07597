"""The command line as a person meets it: help, errors, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

from streams.settings import Settings

ROOT = Path(__file__).parents[2]


def freshrank(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *args],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**Settings().child_env(), **environment},
    )


def test_help_lists_the_commands() -> None:
    done = freshrank("--help")
    assert done.returncode == 0
    assert "dead-letters" in done.stdout


def test_wrong_usage_exits_with_2() -> None:
    assert freshrank("lag", "--no-such-option").returncode == 2
    assert freshrank("topics", "--check", "--repair").returncode == 2
    assert freshrank("lag", "--watch", "--json").returncode == 2


def test_a_wrong_setting_is_named_as_in_the_environment_and_its_value_is_not_shown() -> None:
    done = freshrank("topics", FRESHRANK_WORKER__CHUNK_RECORDS="s3cret")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: settings cannot be used: FRESHRANK_WORKER__CHUNK_RECORDS: ")
    assert "s3cret" not in done.stderr


def test_a_rule_between_settings_is_shown_with_its_fix() -> None:
    done = freshrank("lag", FRESHRANK_SECURITY__PROTOCOL="SASL_SSL")
    assert done.returncode == 1
    assert "set FRESHRANK_SECURITY__SASL_USERNAME" in done.stderr


def test_the_broker_refuses_a_foreign_folder_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "thesis.txt").touch()
    done = freshrank("broker", "--data-dir", str(tmp_path), "--port", "0")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "thesis.txt" in done.stderr


def test_schema_needs_no_broker() -> None:
    assert json.loads(freshrank("schema", "--topic", "events").stdout)
