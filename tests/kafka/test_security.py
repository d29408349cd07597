"""What each client is told about TLS and passwords, and what a person is told when it fails."""

import ssl
from pathlib import Path

import faust
import pytest
import trustme

from streams.errors import SettingsError
from streams.kafka.faust_credentials import faust_credentials
from streams.kafka.security import aiokafka_kwargs, kafka_python_kwargs, ssl_context, unreachable
from streams.settings import KafkaSecurity, Settings


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


def with_security(**fields: object) -> Settings:
    return Settings(bootstrap_servers="kafka:9092", security=KafkaSecurity.model_validate(fields))


def sasl(protocol: str, **fields: object) -> Settings:
    return with_security(
        protocol=protocol, sasl_mechanism="SCRAM-SHA-256", sasl_username="shop", sasl_password="s3cret", **fields
    )


def test_a_plain_listener_needs_an_address_and_nothing_else() -> None:
    assert aiokafka_kwargs(with_security()) == {
        "bootstrap_servers": "kafka:9092",
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }
    assert kafka_python_kwargs(with_security()) == {**aiokafka_kwargs(with_security()), "bootstrap_timeout_ms": 10_000}
    assert faust_credentials(with_security()) is None


def test_a_password_reaches_every_client() -> None:
    settings = sasl("SASL_PLAINTEXT")
    expected = {
        "bootstrap_servers": "kafka:9092",
        "security_protocol": "SASL_PLAINTEXT",
        "ssl_context": None,
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "shop",
        "sasl_plain_password": "s3cret",
    }
    assert aiokafka_kwargs(settings) == expected
    assert kafka_python_kwargs(settings) == {**expected, "bootstrap_timeout_ms": 10_000}
    credentials = faust_credentials(settings)
    assert (credentials.username, credentials.password) == ("shop", "s3cret")
    assert (credentials.protocol.value, credentials.mechanism.value) == ("SASL_PLAINTEXT", "SCRAM-SHA-256")


def test_tls_verifies_certificate_and_host_name_for_every_client(ca_file: Path) -> None:
    for settings in (sasl("SASL_SSL", ssl_ca_file=ca_file), with_security(protocol="SSL", ssl_ca_file=ca_file)):
        context = aiokafka_kwargs(settings)["ssl_context"]
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert len(context.get_ca_certs()) == 1
        assert faust_credentials(settings).protocol.value == settings.security.protocol
    assert isinstance(faust_credentials(with_security(protocol="SSL", ssl_ca_file=ca_file)), faust.SSLCredentials)


@pytest.mark.parametrize("content", [None, b"not a certificate"])
def test_an_unusable_tls_file_is_named_with_its_variable(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"FRESHRANK_SECURITY__SSL_CA_FILE={path}"):
        ssl_context(KafkaSecurity(protocol="SSL", ssl_ca_file=path))


def test_the_error_hints_at_a_wrong_password_and_never_shows_it() -> None:
    text = str(unreachable(sasl("SASL_PLAINTEXT"), TimeoutError("Unable to bootstrap")))
    assert "kafka:9092" in text
    assert "user 'shop'" in text
    assert "a refused user, password or certificate looks the same as no broker" in text
    assert "s3cret" not in text


def test_the_error_on_a_plain_listener_says_how_to_start_one() -> None:
    text = str(unreachable(with_security(), TimeoutError("Unable to bootstrap")))
    assert "`freshrank broker`" in text
    assert "FRESHRANK_SECURITY__PROTOCOL" in text
