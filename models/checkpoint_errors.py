"""Why a checkpoint is refused. In every case the model that serves goes on; messages say what to do."""

__all__ = [
    "AlteredCheckpointError",
    "CheckpointError",
    "ForeignCheckpointError",
    "MissingCheckpointError",
    "SchemaHashError",
    "TaskHashError",
    "TornCheckpointError",
]


class CheckpointError(Exception):
    """Base: this folder cannot be used as a checkpoint."""


class MissingCheckpointError(CheckpointError):
    """There is no folder. Operator: check that trainer and worker share it."""


class TornCheckpointError(CheckpointError):
    """A file is missing, short or unreadable. Operator: remove the folder."""


class AlteredCheckpointError(CheckpointError):
    """Bytes differ from what was written. Operator: remove the folder, and ask who changed it."""


class ForeignCheckpointError(CheckpointError):
    """Not a checkpoint of this code. Operator: deploy the code that wrote it, or retrain."""


class SchemaHashError(CheckpointError):
    """Made for other features. Operator: deploy the matching code and settings, or retrain."""


class TaskHashError(CheckpointError):
    """Made for other tasks. Operator: deploy the matching code and settings, or retrain."""
