"""When a fine-tune round is due, and how many new slates it takes. Pure: times are arguments."""

from streams.settings import TrainingSettings

__all__ = ["MIN_SLATES", "num_due"]

# A round of a trainer that is behind takes this many times the usual number, so that it catches up.
BACKLOG_FACTOR = 8
# Fewer new slates could not be judged; a quiet site waits for them, and loses nothing.
MIN_SLATES = 32


def num_due(settings: TrainingSettings, num_new: int, since_last_s: float) -> int:
    """Slates to take of the `num_new` that became learnable since the last round; 0 while no round is due.

    By rows alone (no interval), every round has the same size, so that results do not depend on time.
    """
    if num_new >= settings.round_slates:
        if settings.round_interval_s is None:
            return settings.round_slates
        return min(num_new, BACKLOG_FACTOR * settings.round_slates)
    has_enough = num_new >= min(MIN_SLATES, settings.round_slates)
    if settings.round_interval_s is not None and has_enough and since_last_s >= settings.round_interval_s:
        return num_new
    return 0
