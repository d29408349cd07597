import json
from collections.abc import Callable

from typer import Typer
from typer.testing import CliRunner

from streams.commands.schema import schema


def run(command: Callable[..., None], *arguments: str) -> tuple[int, str, str]:
    app = Typer()
    app.command()(command)
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def test_schema_prints_all_contracts_or_one() -> None:
    _, stdout, _ = run(schema)
    assert list(json.loads(stdout)) == ["events", "catalogue", "rankings", "dead-letters"]
    _, stdout, _ = run(schema, "--topic", "rankings")
    assert json.loads(stdout)["title"] == "Ranking"


def test_schema_of_an_internal_topic_is_refused() -> None:
    code, _, stderr = run(schema, "--topic", "item-counts")
    assert code == 2
    assert "must be one of" in stderr
