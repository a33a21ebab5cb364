"""How to reach a Kafka cluster, said once and spelled for both client libraries (aiokafka and librdkafka)."""

import ssl
from typing import Literal

import msgspec


class KafkaConnection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address and security of one cluster; the same settings reach Faust's aiokafka and confluent-kafka."""

    bootstrap: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: str | None = None
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None

    def librdkafka(self) -> dict[str, str]:
        """Return the settings as confluent-kafka spells them."""
        pairs = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self.sasl_password,
            "ssl.ca.location": self.ssl_cafile,
            "ssl.certificate.location": self.ssl_certfile,
            "ssl.key.location": self.ssl_keyfile,
        }
        return {name: value for name, value in pairs.items() if value is not None}

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the TLS context that aiokafka wants, or None for a plain connection."""
        if "SSL" not in self.security_protocol.split("_"):
            return None
        context = ssl.create_default_context(cafile=self.ssl_cafile)
        if self.ssl_certfile is not None:
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        return context
