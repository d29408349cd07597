"""Settings -> what each Kafka client wants to hear about address, TLS and SASL. Opens no connection.

All clients get the same `ssl.SSLContext`, so that a certificate is judged alike everywhere. They hide a refused
password behind "unable to bootstrap": `unreachable` makes the error that says it.
"""

import ssl
from typing import Any

from streams.errors import BrokerUnreachableError, SettingsError
from streams.kafka.closed_sockets import close_failed_connects
from streams.settings import KafkaSecurity, Settings

__all__ = ["BOOTSTRAP_TIMEOUT_MS", "aiokafka_kwargs", "kafka_python_kwargs", "ssl_context", "unreachable"]

BOOTSTRAP_TIMEOUT_MS = 10_000
"""How long a command waits for a broker before it gives up; kafka-python's own 30 s look like a hang."""


def kafka_python_kwargs(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for KafkaProducer, KafkaConsumer and KafkaAdminClient. Raises SettingsError."""
    close_failed_connects()
    return {**_address_and_identity(settings), "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS}


def aiokafka_kwargs(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for AIOKafkaProducer and AIOKafkaConsumer. Raises SettingsError."""
    from streams.kafka.lasting_metadata import keep_metadata_coming  # noqa: PLC0415  # aiokafka; some commands do without

    keep_metadata_coming()
    return _address_and_identity(settings)


def ssl_context(security: KafkaSecurity) -> ssl.SSLContext | None:
    """The TLS context of the settings, None on a protocol without TLS. Raises SettingsError for an unusable file."""
    if "SSL" not in security.protocol:
        return None
    try:
        context = ssl.create_default_context(cafile=security.ssl_ca_file)
        if security.ssl_cert_file:
            context.load_cert_chain(security.ssl_cert_file, security.ssl_key_file)
    except OSError as error:
        named = {
            "FRESHRANK_SECURITY__SSL_CA_FILE": security.ssl_ca_file,
            "FRESHRANK_SECURITY__SSL_CERT_FILE": security.ssl_cert_file,
            "FRESHRANK_SECURITY__SSL_KEY_FILE": security.ssl_key_file,
        }
        shown = ", ".join(f"{name}={path}" for name, path in named.items() if path)
        raise SettingsError(
            f"the TLS files cannot be used ({error}): {shown}; needed: readable PEM files, the key belonging to the "
            "certificate; correct the paths"
        ) from error
    return context


def unreachable(settings: Settings, error: BaseException) -> BrokerUnreachableError:
    """The error to raise when a client could not connect: what was tried, and what is probably wrong."""
    security = settings.security
    what = f"no usable answer from Kafka at {settings.bootstrap_servers} ({type(error).__name__}: {error})"
    if security.protocol == "PLAINTEXT":
        return BrokerUnreachableError(
            f"{what}; needed: a running Kafka with a plain listener; start one with `freshrank broker`, or give its "
            "address with --bootstrap-servers (and FRESHRANK_SECURITY__PROTOCOL when it asks for TLS or a password)"
        )
    asked = f"asked with protocol {security.protocol}"
    if security.protocol.startswith("SASL"):
        asked += f", {security.sasl_mechanism}, user {security.sasl_username!r}"
    return BrokerUnreachableError(
        f"{what}, {asked}; a refused user, password or certificate looks the same as no broker; "
        "check the address, then FRESHRANK_SECURITY__SASL_USERNAME, __SASL_PASSWORD, __SASL_MECHANISM and the TLS files"
    )


def _address_and_identity(settings: Settings) -> dict[str, Any]:
    security = settings.security
    kwargs: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": security.protocol,
        "ssl_context": ssl_context(security),
    }
    if security.protocol.startswith("SASL"):
        kwargs |= {
            "sasl_mechanism": security.sasl_mechanism,
            "sasl_plain_username": security.sasl_username,
            "sasl_plain_password": security.sasl_password.get_secret_value(),
        }
    return kwargs
