"""What each group of features is worth to the champion: measured on the replay buffer, also beside a trainer."""

from models.checkpoint import load
from models.checkpoint_errors import CheckpointError as DamagedError
from streams.errors import StateError
from streams.settings import Settings
from streams.training.ablation import Ablation, ablate
from streams.training.registry import Registry
from streams.training.replay_buffer import ReplayBuffer

__all__ = ["worth_of_groups"]

# The newest slates whose features are left out group by group: seconds of work.
ABLATION_SLATES = 1000


def worth_of_groups(settings: Settings, registry: Registry, champion: int) -> Ablation | str:
    """The measure, or why there is none, in a sentence for the reader."""
    folder = settings.data_dir / "buffer"
    if not champion:
        return "No version serves yet, so there is nothing to take features away from."
    if not folder.exists():
        return f"The replay buffer {folder} is not there, so there are no lists to try the champion on."
    manifest = next((v.manifest for v in registry.versions() if v.number == champion), {})
    try:
        hashes = str(manifest.get("schema_hash")), str(manifest.get("task_hash"))
        ranker = load(registry.path(champion), *hashes).ranker
        days, max_bytes = settings.training.buffer_days, settings.training.buffer_max_bytes
        buffer = ReplayBuffer(folder, buffer_days=days, buffer_max_bytes=max_bytes, is_read_only=True)
    except (DamagedError, StateError) as error:
        return f"Not measured this time: {error}"
    try:
        found = ablate(ranker, buffer.history(buffer.by_event_time()[-ABLATION_SLATES:]))
    finally:
        buffer.close()
    return found if found.num_rows else "The replay buffer holds no list with the champion's features."
