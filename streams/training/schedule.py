"""When a fine-tune round is due, how many new slates it takes, and in which steps. Pure: times are arguments."""

from streams.settings import TrainingSettings

__all__ = ["MIN_SLATES", "STEP_SLATES", "num_due", "step_slates"]

# New slates per step, beside the replayed ones. RankLens, NDCG@10 and normalised entropy of the training lists' last
# fifth: 16 a step .6409 and .7777, 8 a step .6415 and .7765.
STEP_SLATES = 8

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


def step_slates(settings: TrainingSettings, num_slates: int) -> int:
    """New slates a step, in a round of so many.

    A trainer that is behind takes as many steps for a long round as for a usual one: a step of 64 slates costs little
    more than one of 8, most of which is starting small operations. It learns each row less finely, and keeps up.
    """
    return STEP_SLATES * max(1, num_slates // settings.round_slates)
