"""One `freshrank replay` from file to figures: wires the log, Kafka, the workers and the waiting together."""

from dataclasses import dataclass
from typing import Any

from streams.clock import Clock
from streams.errors import InputFileError
from streams.events.checked_log import checked_records
from streams.events.importers import LogFormat, read_log
from streams.events.log_file import LogFile
from streams.kafka.admin import require_topics
from streams.kafka.bulk_sender import BulkSender
from streams.replay.catalogue_barrier import wait_for_catalogue
from streams.replay.progress import ReplayProgress
from streams.replay.sender import ReplayCounts, ReplayOptions, close_windows, replay_records
from streams.replay.waiting import wait_until_consumed
from streams.settings import Settings

__all__ = ["ReplayJob", "run_job"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayJob:
    """What the user asked for. `events_per_s` None: as fast as it goes."""

    file: str
    log_format: LogFormat
    events_per_s: float | None = None
    should_wait: bool = False
    should_close_windows: bool = False
    should_send_invalid: bool = False
    stall_s: float = 120.0


async def run_job(job: ReplayJob, settings: Settings, clock: Clock, progress: ReplayProgress) -> dict[str, Any]:
    """Send the log, and wait when asked to; returns the figures that `--json` prints.

    `seconds` spans everything, `send_seconds` the sending alone. Raises InputFileError when no line could be used,
    BrokerUnreachableError, TopicError or StalledError.
    """
    require_topics(settings)
    began_s = clock.monotonic_s()
    async with BulkSender(settings) as sink:
        counts = await _send(job, sink, settings, clock, progress)
        if job.should_close_windows and counts.latest_ms:
            await close_windows(sink, settings, counts.latest_ms)
    sent_s = clock.monotonic_s()
    for example in counts.examples:
        progress.say(f"rejected {example}")
    if counts.rejected and not (counts.events_sent or counts.items_sent or job.should_send_invalid):
        raise InputFileError(
            f"{job.file}: none of its records could be sent ({dict(counts.rejected)}); needed lines of the format "
            f"{job.log_format!r}: correct --format, or see `freshrank validate`"
        )
    if job.should_wait:
        await wait_until_consumed(settings, clock, progress, job.stall_s)
    return _figures(counts, clock.monotonic_s() - began_s, sent_s - began_s)


async def _send(
    job: ReplayJob, sink: BulkSender, settings: Settings, clock: Clock, progress: ReplayProgress
) -> ReplayCounts:
    async def apply_catalogue(offsets: dict[int, int]) -> None:
        if not await wait_for_catalogue(settings.data_dir, offsets, clock):
            progress.say(
                f"no worker found under {settings.data_dir / 'run'}, so nobody was waited for after the catalogue; "
                "give the running system's folder with --data-dir"
            )

    log = LogFile(job.file)
    options = ReplayOptions(job.events_per_s, job.should_send_invalid, apply_catalogue)
    records = checked_records(read_log(log, job.log_format))
    return await replay_records(
        records, sink, settings, options, clock=clock, tell=lambda _, words: progress(log.read_frac, words)
    )


def _figures(counts: ReplayCounts, seconds: float, send_seconds: float) -> dict[str, Any]:
    return {
        "events_sent": counts.events_sent,
        "events_rejected": counts.rejected.total(),
        "rejected_by_reason": dict(sorted(counts.rejected.items())),
        "items_sent": counts.items_sent,
        "seconds": round(seconds, 3),
        "send_seconds": round(send_seconds, 3),
        "events_per_s": round(counts.events_sent / seconds, 1) if seconds else 0.0,
    }
