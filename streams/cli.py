"""The `freshrank` command: one sub-command per module of streams/commands. No logic but how errors are shown.

Command modules import what they need when they run, so `--help` answers at once and loads neither torch nor Feast.
"""

import sys

import typer
from pydantic_core import ValidationError

from streams.commands.broker import broker
from streams.commands.dead_letters import dead_letters
from streams.commands.demo import demo
from streams.commands.evaluate import evaluate
from streams.commands.forget import forget
from streams.commands.lag import lag
from streams.commands.models import models
from streams.commands.rank import rank
from streams.commands.replay import replay
from streams.commands.schema import schema
from streams.commands.topics import topics
from streams.commands.trainer import trainer
from streams.commands.up import up
from streams.commands.validate import validate
from streams.commands.worker import worker
from streams.errors import FreshrankError

__all__ = ["app", "main"]

app = typer.Typer(
    help="A streaming, event-driven ranker: every click changes what comes next.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # tracebacks with local variables would show secrets
)
for command in (up, demo, broker, worker, trainer, topics, validate, replay, evaluate, rank, lag, forget):
    app.command()(command)
app.add_typer(models, name="models")
app.command("dead-letters")(dead_letters)
app.command()(schema)


def main() -> None:
    """Run the command line. Exit code 0 on success, 1 when it failed, 2 for wrong usage, 130 after Ctrl-C."""
    try:
        app()
    except FreshrankError as error:
        _fail(str(error))
    except ValidationError as error:
        if error.title != "Settings":
            raise
        _fail(_settings_problems(error))


def _fail(message: str) -> None:
    typer.echo(f"error: {message}", err=True)
    sys.exit(1)


def _settings_problems(error: ValidationError) -> str:
    """Each wrong setting by the name it has in the environment. Values are left out: one may be a password."""
    problems = [
        f"FRESHRANK_{'__'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}".replace("_: ", ": ")
        for problem in error.errors(include_input=False, include_url=False)
    ]
    return "settings cannot be used: " + "; ".join(problems) + "; correct the named variables"


if __name__ == "__main__":
    main()
