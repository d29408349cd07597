import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from streams.commands.validate import validate
from streams.errors import InputFileError


def run(command: Callable[..., None], *arguments: str) -> tuple[int, str, str]:
    app = Typer()
    app.command()(command)
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def log(tmp_path: Path, *values: dict[str, Any]) -> str:
    file = tmp_path / "log.jsonl"
    file.write_text("\n".join(json.dumps({"topic": "events", "value": value}) for value in values))
    return str(file)


SEARCH = {"event_id": "e", "type": "search", "user_id": "u", "occurred_at_ms": 1_700_000_000_000, "query": "q"}


def test_a_good_log_passes_with_exit_code_0(tmp_path: Path) -> None:
    code, stdout, _ = run(validate, log(tmp_path, SEARCH))
    assert code == 0
    assert stdout.splitlines()[:2] == ["1 lines: 1 search", "PASS  every record keeps the contract: 1 checked"]
    assert stdout.endswith("\nPASS\n")


def test_a_bad_log_fails_with_exit_code_1_and_examples(tmp_path: Path) -> None:
    code, stdout, _ = run(validate, log(tmp_path, SEARCH, SEARCH))
    assert code == 1
    assert "FAIL  event ids are unique per user: 1 of 2 not so\n        line 2: event_id 'e' of user 'u'" in stdout
    assert stdout.endswith("\nFAIL\n")


def test_json_output_is_one_document(tmp_path: Path) -> None:
    code, stdout, _ = run(validate, log(tmp_path, SEARCH, {}), "--json")
    report = json.loads(stdout)
    assert (code, report["passed"], report["lines"], report["records"]) == (1, False, 2, {"refused": 1, "search": 1})
    assert report["checks"][0] == {
        "name": "every record keeps the contract", "tolerated_frac": 0.0, "checked": 2, "bad": 1, "status": "FAIL",
        "examples": ["line 2: missing_field: type: not in the record, needed"],
    }  # fmt: skip


def test_an_empty_file_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="holds no line"):
        run(validate, log(tmp_path))
