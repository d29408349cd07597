"""What a worker compiles at first use, made ready beforehand: half a minute on a new machine, then moments."""

from streams.features.capture import compile_capture
from streams.ranking.scorer import compile_scoring
from streams.settings import Settings

__all__ = ["warm_up"]


def warm_up(settings: Settings) -> None:
    """Capture features and score rows once. `make setup` does so too, as a worker would make its first users wait."""
    compile_capture(settings.catalogue)
    compile_scoring(settings.catalogue.schema_, settings.labels.tasks)
