"""What the local Kafka is told: `server.properties` as text, from ports, a folder and a listener. Pure.

Sizes suit one machine that does other work too. Topics are never made by mistyping a name: only `freshrank topics`
knows how many partitions they need.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["HOST", "NODE_ID", "BrokerListener", "BrokerPorts", "jvm_options", "server_properties"]

HOST = "127.0.0.1"
NODE_ID = 1

_FIXED: Mapping[str, object] = {
    "node.id": NODE_ID,
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "auto.create.topics.enable": "false",
    # One node: every internal topic has one copy. Few partitions, because each costs memory and start-up time.
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    # A worker that was killed is noticed in seconds, and a lone one starts at once.
    "group.min.session.timeout.ms": 1000,
    "group.initial.rebalance.delay.ms": 0,
    # A transaction cut short is ended soon: it hides all later records of its partition until then.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    # After kill -9 the node must wait for its former self to be declared dead; 9 s by default.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    "message.max.bytes": 4 << 20,
    "log.cleaner.dedupe.buffer.size": 16 << 20,
    "num.network.threads": 2,
    "num.io.threads": 4,
}

# Any heap from 64 to 512 MB held 150,000 messages/s; the first compiler alone took a third less CPU than both.
_JVM = (
    "-XX:+UseSerialGC",
    "-Xms64m",
    "-Xmx256m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.showShortLogName=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)


@dataclass(frozen=True, slots=True)
class BrokerPorts:
    """Three ports on 127.0.0.1: for clients, for the controller, and for the broker's talk with itself."""

    client: int
    controller: int
    internal: int


@dataclass(frozen=True, slots=True)
class BrokerListener:
    """Who may talk to the broker, and how. The default asks nothing; a password guards no other port of the machine.

    `key_store` is a PEM file with the broker's certificate chain and its key (PKCS#8, unencrypted). With a
    `client_authority` (PEM) clients must show a certificate that it signed.
    """

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    key_store: Path | None = None
    client_authority: Path | None = None

    @property
    def scram_users(self) -> Mapping[str, str]:
        """Users whose passwords are written into the folder when it is made (SCRAM); a change later has no effect."""
        return self.passwords if self.protocol.startswith("SASL") and self.mechanism != "PLAIN" else {}


def jvm_options(temp_folder: Path) -> list[str]:
    """Options before the class path. Native libraries are unpacked into `temp_folder`, not left behind in /tmp."""
    return [*_JVM, f"-Djava.io.tmpdir={temp_folder}"]


def server_properties(log_folder: Path, ports: BrokerPorts, listener: BrokerListener) -> str:
    """The text of `server.properties`."""
    values: dict[str, object] = {
        **_FIXED,
        "log.dirs": log_folder,
        "controller.quorum.voters": f"{NODE_ID}@{HOST}:{ports.controller}",
        "listeners": f"CLIENT://{HOST}:{ports.client},INTERNAL://{HOST}:{ports.internal},"
        f"CONTROLLER://{HOST}:{ports.controller}",
        "advertised.listeners": f"CLIENT://{HOST}:{ports.client},INTERNAL://{HOST}:{ports.internal}",
        "listener.security.protocol.map": f"CLIENT:{listener.protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        **_sasl(listener),
        **_tls(listener),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _sasl(listener: BrokerListener) -> dict[str, object]:
    if not listener.protocol.startswith("SASL"):
        return {}
    prefix = f"listener.name.client.{listener.mechanism.lower()}.sasl.jaas.config"
    if listener.mechanism == "PLAIN":
        users = " ".join(f'user_{name}="{password}"' for name, password in listener.passwords.items())
        login = f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
    else:
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {"sasl.enabled.mechanisms": listener.mechanism, prefix: login}


def _tls(listener: BrokerListener) -> dict[str, object]:
    if "SSL" not in listener.protocol:
        return {}
    prefix = "listener.name.client.ssl"
    values: dict[str, object] = {f"{prefix}.keystore.type": "PEM", f"{prefix}.keystore.location": listener.key_store}
    if listener.client_authority:
        values |= {
            f"{prefix}.client.auth": "required",
            f"{prefix}.truststore.type": "PEM",
            f"{prefix}.truststore.location": listener.client_authority,
        }
    return values
