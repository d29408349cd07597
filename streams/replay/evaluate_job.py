"""One `freshrank evaluate` from file to figures: reads the log twice (fields, then events), runs it, measures.

Everything runs in a temporary folder that goes when it ended well; after a failure it stays, as its logs say why.
"""

import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streams.clock import Clock
from streams.errors import InputFileError
from streams.events.catalogue_fields import infer_catalogue_fields
from streams.events.checked_log import checked_records
from streams.events.importers import LogFormat, LogRecord, read_log
from streams.events.log_file import STDIN, LogFile
from streams.replay.evaluation import Evaluation, Quality, lists_after_split, measure
from streams.replay.lockstep import LockstepRun, lockstep_settings
from streams.replay.own_topics import own_topics
from streams.replay.progress import ReplayProgress
from streams.settings import Settings
from streams.supervisor.deployment import Plan, running

__all__ = ["EvaluationJob", "EvaluationReport", "fields_of_log", "kept_or_temporary", "rank_log", "run_evaluation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationJob:
    """What the user asked for. Without an own broker, fresh topics are used on the one of the settings."""

    file: Path
    log_format: LogFormat
    train_frac: float = 0.8
    seed: int = 0
    has_own_broker: bool = True
    data_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The quality after the split; `model_versions`: how many models answered lists of the log."""

    quality: Quality
    model_versions: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The documented shape; a figure that the log does not define is null."""
        quality = {name: _plain(value) for name, value in asdict(self.quality).items()}
        return {**quality, "model_versions": self.model_versions, "seconds": round(self.seconds, 1)}


async def run_evaluation(
    job: EvaluationJob, base: Settings, clock: Clock, progress: ReplayProgress
) -> EvaluationReport:
    """Run the log and measure. Raises InputFileError for a log without lists, and what keeps the run from starting."""
    began_s = clock.monotonic_s()
    evaluation = await rank_log(job, base, clock, progress)
    if not evaluation.lists:
        raise InputFileError(
            f"{job.file}: no list was found; needed rank requests with items, or impressions, in the format "
            f"{job.log_format!r}; see `freshrank validate`"
        )
    if missing := evaluation.unanswered():
        progress.say(f"{len(missing):,} of {len(evaluation.lists):,} lists were not answered; they count as shown")
    return EvaluationReport(
        quality=measure(lists_after_split(evaluation.lists, job.train_frac)),
        model_versions=len(evaluation.model_versions),
        seconds=clock.monotonic_s() - began_s,
    )


async def rank_log(job: EvaluationJob, base: Settings, clock: Clock, progress: ReplayProgress) -> Evaluation:
    """Run the log through a deployment of its own; the evaluation holds every list as it was ranked."""
    fields = fields_of_log(job.file, job.log_format)
    evaluation = Evaluation(job.seed)
    with (
        kept_or_temporary(job.data_dir, "freshrank-evaluate-") as folder,
        own_topics(base, "evaluate", has_own_broker=job.has_own_broker) as fresh,
    ):
        settings = lockstep_settings(fresh, folder, fields, job.seed)
        with running(Plan(settings, has_own_broker=job.has_own_broker), progress.say) as deployment:
            log = LogFile(job.file)
            run = LockstepRun(
                deployment,
                evaluation,
                clock,
                lambda _: progress(log.read_frac, f"{len(evaluation.lists):,} lists ranked"),
            )
            await run.run(checked_records(read_log(log, job.log_format)))
    return evaluation


def fields_of_log(file: Path, log_format: LogFormat) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Affinity and number fields inferred from the log's items. Raises InputFileError."""
    if str(file) == STDIN:
        raise InputFileError("-: standard input can be read once, and this needs it twice; give a file")
    records = (r for r in read_log(file, log_format) if isinstance(r, LogRecord) and r.topic == "catalogue")
    return infer_catalogue_fields(record.value for record in checked_records(records) if record.value is not None)


@contextmanager
def kept_or_temporary(folder: Path | None, prefix: str) -> Iterator[Path]:
    """The folder itself, or a temporary one; after an error that one stays too, as the logs in it say why."""
    if folder is not None:
        yield folder
        return
    temporary = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield temporary
    except Exception:
        raise
    except BaseException:  # Ctrl-C
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(temporary, ignore_errors=True)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
