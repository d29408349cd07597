"""`freshrank models`: versions on disk, what the gate said of them, promoting and rolling back."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from streams.commands.options import AsJson, BootstrapServers, DataDir, load_settings

if TYPE_CHECKING:
    from streams.settings import Settings
    from streams.training.announcement import Announcement
    from streams.training.registry import Registry, Version

__all__ = ["models"]

models = typer.Typer(help="List and show model versions; promote one, or roll back.", no_args_is_help=True)


def _registry(settings: "Settings") -> "Registry":
    from streams.training.registry import Registry

    return Registry(settings.data_dir / "models", settings.training.keep_versions)


def _facts(version: "Version") -> dict[str, Any]:
    extra = version.manifest.get("extra", {})
    report = extra.get("report", {})
    return {
        "version": version.number,
        "is_champion": version.is_champion,
        "published_at_ms": extra.get("published_at_ms"),
        "num_slates": report.get("num_slates"),
        "reason": report.get("gate", {}).get("reason"),
        "folder": str(version.folder),
    }


def _problem(registry: "Registry", settings: "Settings", version: int) -> str | None:
    """Why a version could not be served, or None."""
    from streams.errors import CheckpointError

    try:
        registry.verify(version, *_hashes(settings))
    except CheckpointError as error:
        return str(error)
    return None


@models.command("list")
def list_versions(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the versions on disk, newest first."""
    from rich.console import Console
    from rich.table import Table

    registry = _registry(load_settings(data_dir=data_dir))
    facts = [_facts(version) for version in registry.versions()]
    if as_json:
        typer.echo(json.dumps({"versions": facts}))
        return
    table = Table("version", "champion", "slates", "why it was published")
    for fact in facts:
        champion = "yes" if fact["is_champion"] else ""
        table.add_row(str(fact["version"]), champion, str(fact["num_slates"]), fact["reason"])
    Console().print(table if facts else f"no versions in {registry.folder} yet")


@models.command("show")
def show(
    version: int,
    *,
    plot: Annotated[Path | None, typer.Option(help="Also draw what the gate measured, as a PNG file.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one version: what it is, what the gate measured task by task, and how its round went."""
    from streams.commands.tables import show as print_table
    from streams.report.version_summary import summary_of
    from streams.training.registry import VersionError

    settings = load_settings(data_dir=data_dir)
    registry = _registry(settings)
    found = [candidate for candidate in registry.versions() if candidate.number == version]
    if not found:
        kept = registry.numbers()
        raise VersionError(f"there is no version {version} in {registry.folder}; kept are {kept}; name one of these")
    if plot is not None:
        _plot(found[0], plot)
    problem = _problem(registry, settings, version)
    if as_json:
        typer.echo(json.dumps({**_facts(found[0]), "problem": problem, "manifest": dict(found[0].manifest)}))
        return
    for part in summary_of(found[0], problem, registry.champions().withdrawn.get(str(version))):
        print_table(part)


def _plot(version: "Version", file: Path) -> None:
    from streams.report.gate_chart import verdicts_chart
    from streams.report.theme import save_png
    from streams.training.registry import VersionError

    gate = version.manifest.get("extra", {}).get("report", {}).get("gate", {})
    if not gate.get("tasks"):
        raise VersionError(
            f"version {version.number} was published without a gate, so there is nothing to draw; leave --plot out, or "
            "name another of `freshrank models list`"
        )
    title = f"Version {version.number} against the champion before it"
    try:
        save_png(verdicts_chart(title, gate), (7.5, 1.6 + 0.42 * len(gate["tasks"])), file)
    except OSError as error:
        raise _not_written(file, error) from error


def _not_written(file: Path, error: OSError) -> Exception:
    from streams.errors import InputFileError

    return InputFileError(f"{file} cannot be written ({error}); name a file in a folder that exists")


@models.command("report")
def report(
    *,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("freshrank-report.html"),
    data_dir: DataDir = None,
) -> None:
    """Write one HTML page on how the model learns: losses, calibration, metrics, features, the gate's decisions."""
    from streams.clock import SystemClock
    from streams.report.report_job import build_report

    found = build_report(load_settings(data_dir=data_dir), SystemClock().now_ms())
    try:
        out.write_text(found.html, encoding="utf-8")
    except OSError as error:
        raise _not_written(out, error) from error
    typer.echo("\n".join([found.title, *found.says, f"written to {out}"]))


@models.command("promote")
def promote(
    version: int, *, data_dir: DataDir = None, bootstrap_servers: BootstrapServers = None, as_json: AsJson = False
) -> None:
    """Make a version on disk the champion, and tell the workers."""
    settings = load_settings(data_dir=data_dir, bootstrap_servers=bootstrap_servers)
    _registry(settings).promote(version, *_hashes(settings))
    _tell(settings, version, "promote", as_json=as_json)


@models.command("rollback")
def rollback(*, data_dir: DataDir = None, bootstrap_servers: BootstrapServers = None, as_json: AsJson = False) -> None:
    """Make the champion before the present one serve again, and tell the workers. Again goes further back."""
    settings = load_settings(data_dir=data_dir, bootstrap_servers=bootstrap_servers)
    version = _registry(settings).rollback(*_hashes(settings))
    _tell(settings, version, "rollback", as_json=as_json)


def _hashes(settings: "Settings") -> tuple[str, str]:
    from models.tasks import task_hash

    return settings.catalogue.schema_.hash, task_hash(settings.labels.tasks)


def _tell(settings: "Settings", version: int, cause: Literal["promote", "rollback"], *, as_json: bool) -> None:
    import asyncio

    from streams.clock import SystemClock
    from streams.training.announcement import NUM_BEFORE, announcement_of

    registry = _registry(settings)
    announcement = announcement_of(
        settings,
        version,
        registry.path(version),
        cause=cause,
        published_at_ms=SystemClock().now_ms(),
        before=registry.folders_before(NUM_BEFORE),
    )
    asyncio.run(_announce(settings, announcement))
    typer.echo(json.dumps({"champion_version": version}) if as_json else f"version {version} is the champion now")


async def _announce(settings: "Settings", announcement: "Announcement") -> None:
    from streams.kafka.record_sender import OutRecord, RecordSender
    from streams.topics import topic_specs
    from streams.training.announcement import KEY, encode_announcement

    topic = topic_specs(settings)["model-updates"].name
    sender = RecordSender(settings)
    await sender.start()
    try:
        await sender.send([OutRecord(topic, KEY, encode_announcement(announcement))])
    finally:
        await sender.stop()
