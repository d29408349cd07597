"""When a fine-tune round is due, and how many entries it takes. Pure: times are arguments."""

from streams.settings import TrainingSettings

__all__ = ["num_due"]

# A round of a trainer that is behind takes this many times the usual number, so that it catches up.
BACKLOG_FACTOR = 8


def num_due(settings: TrainingSettings, num_ready: int, since_last_s: float) -> int:
    """Entries to take now; 0 while no round is due.

    By rows alone (no interval), every round has the same size, so that results do not depend on time.
    """
    if num_ready >= settings.round_slates:
        if settings.round_interval_s is None:
            return settings.round_slates
        return min(num_ready, BACKLOG_FACTOR * settings.round_slates)
    if settings.round_interval_s is not None and num_ready and since_last_s >= settings.round_interval_s:
        return num_ready
    return 0
