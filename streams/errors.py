"""The error family: what went wrong, whether trying again can help, and what an operator does.

Every message has the form: what was found and where; what was needed; what to do.
"""

from typing import ClassVar

__all__ = [
    "BrokerStartError",
    "BrokerUnreachableError",
    "CheckpointError",
    "FreshrankError",
    "InputFileError",
    "InvalidRecordError",
    "SchemaMismatchError",
    "SettingsError",
    "StalledError",
    "StateError",
    "TopicError",
]


class FreshrankError(Exception):
    """Base of all errors that freshrank raises on purpose. `retriable`: the same call may succeed later."""

    retriable: ClassVar[bool] = False


class SettingsError(FreshrankError):
    """Settings contradict each other or the run they are used on. Operator: change the named setting."""


class BrokerStartError(FreshrankError):
    """The local Kafka could not start. Operator: free the port or the folder, or fetch what the message names."""


class BrokerUnreachableError(FreshrankError):
    """No broker answered. Operator: start one, or correct the address or the credentials."""

    retriable = True


class TopicError(FreshrankError):
    """A topic is missing or was made differently. Operator: run `freshrank topics`, or use another prefix."""


class InputFileError(FreshrankError):
    """A file given by the user cannot be used. Operator: correct the file or the `--format`."""


class InvalidRecordError(FreshrankError, ValueError):
    """A record given to a client breaks the contract of its topic. Operator: correct what sends it."""


class StalledError(FreshrankError):
    """A role made no progress for too long. Operator: see in its log whether it runs, then repeat."""

    retriable = True


class StateError(FreshrankError):
    """A partition's state on disk cannot be opened or belongs elsewhere. Operator: as the message says."""


class SchemaMismatchError(FreshrankError):
    """Two parts disagree on the features or the tasks. Operator: deploy the matching code, or retrain."""


class CheckpointError(FreshrankError):
    """A checkpoint is torn, altered or foreign. Operator: none; the champion goes on. Remove the folder."""
