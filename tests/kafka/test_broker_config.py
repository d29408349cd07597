"""What the broker is told, for each kind of listener."""

from pathlib import Path

from streams.kafka.broker_config import BrokerListener, BrokerPorts, server_properties

PORTS = BrokerPorts(client=9092, controller=9093, internal=9094)


def properties(listener: BrokerListener) -> dict[str, str]:
    lines = server_properties(Path("/data/log"), PORTS, listener).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_every_listener_is_on_this_machine_alone() -> None:
    found = properties(BrokerListener())
    assert found["listeners"] == "CLIENT://127.0.0.1:9092,INTERNAL://127.0.0.1:9094,CONTROLLER://127.0.0.1:9093"
    assert found["listener.security.protocol.map"] == "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
    assert found["log.dirs"] == "/data/log"
    assert not [name for name in found if "sasl" in name or "ssl" in name]


def test_a_mistyped_topic_is_an_error_of_the_client_not_a_new_topic() -> None:
    assert properties(BrokerListener())["auto.create.topics.enable"] == "false"


def test_plain_passwords_stand_in_the_listener_and_scram_ones_do_not() -> None:
    plain = properties(BrokerListener("SASL_PLAINTEXT", "PLAIN", {"shop": "s3cret"}))
    assert plain["sasl.enabled.mechanisms"] == "PLAIN"
    assert plain["listener.name.client.plain.sasl.jaas.config"] == (
        'org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="s3cret";'
    )
    scram = BrokerListener("SASL_PLAINTEXT", "SCRAM-SHA-256", {"shop": "s3cret"})
    assert "s3cret" not in str(properties(scram))
    assert scram.scram_users == {"shop": "s3cret"}


def test_passwords_do_not_show_when_a_listener_is_printed() -> None:
    assert "s3cret" not in repr(BrokerListener("SASL_PLAINTEXT", "PLAIN", {"shop": "s3cret"}))


def test_tls_uses_pem_and_asks_for_client_certificates_only_with_an_authority() -> None:
    one_way = properties(BrokerListener("SSL", key_store=Path("/k.pem")))
    assert {name: value for name, value in one_way.items() if "ssl" in name} == {
        "listener.name.client.ssl.keystore.type": "PEM",
        "listener.name.client.ssl.keystore.location": "/k.pem",
    }
    mutual = properties(BrokerListener("SSL", key_store=Path("/k.pem"), client_authority=Path("/ca.pem")))
    assert mutual["listener.name.client.ssl.client.auth"] == "required"
    assert mutual["listener.name.client.ssl.truststore.location"] == "/ca.pem"
