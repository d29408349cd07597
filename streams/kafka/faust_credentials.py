"""Settings -> `broker_credentials` of a Faust app. Apart from security.py, because importing Faust takes a second."""

from typing import Any

import faust

from streams.kafka.security import ssl_context
from streams.settings import Settings

__all__ = ["faust_credentials"]


def faust_credentials(settings: Settings) -> Any:
    """What Faust takes as `broker_credentials`: None on a plain listener. Raises SettingsError."""
    security, context = settings.security, ssl_context(settings.security)
    if security.protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=security.sasl_username,
            password=security.sasl_password.get_secret_value(),
            mechanism=security.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
