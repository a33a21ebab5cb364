"""Who may connect to a broker of this machine: SASL/SCRAM over TLS, with access control on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from schemas.connection import KafkaConnection
from schemas.errors import SettingsError

MECHANISM: Literal["SCRAM-SHA-512"] = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Users and certificates of a secured broker.

    `users` maps names to passwords; `admin` is the one of them that may do everything. `keystore` is a PEM file with
    the server's unencrypted PKCS#8 key and its certificate (valid for 127.0.0.1); `truststore` the CA that signed it.
    """

    users: Mapping[str, str]
    keystore: Path
    truststore: Path
    admin: str = "admin"

    def __post_init__(self) -> None:
        if self.admin not in self.users:
            raise SettingsError([f"expected the admin {self.admin!r} among the users, got {sorted(self.users)}"])
        odd = sorted(name for name in self.users if not name.replace("-", "").replace("_", "").isalnum())
        if odd:
            raise SettingsError([f"expected user names of letters, digits, - and _, got {odd}"])
        if any(set(password) & set('"\\,;[]') for password in self.users.values()):
            raise SettingsError(['expected passwords without any of " \\ , ; [ ]'])

    def connection(self, bootstrap: str, user: str) -> KafkaConnection:
        """Return the settings with which one user reaches the broker."""
        return KafkaConnection(
            bootstrap=bootstrap,
            security_protocol="SASL_SSL",
            sasl_mechanism=MECHANISM,
            sasl_username=user,
            sasl_password=self.users[user],
            ssl_cafile=str(self.truststore),
        )

    def properties(self) -> dict[str, str]:
        """Return the broker's side of it. SCRAM serves clients; controllers use PLAIN, since users live behind them."""
        name, password = self.admin, self.users[self.admin]
        login = f'required username="{name}" password="{password}"'
        plain = f'org.apache.kafka.common.security.plain.PlainLoginModule {login} user_{name}="{password}";'
        scram = f"org.apache.kafka.common.security.scram.ScramLoginModule {login};"
        return {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{name}",
            "sasl.enabled.mechanisms": MECHANISM,
            "sasl.mechanism.inter.broker.protocol": MECHANISM,
            "sasl.mechanism.controller.protocol": "PLAIN",
            f"listener.name.client.{MECHANISM.lower()}.sasl.jaas.config": scram,
            "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.controller.plain.sasl.jaas.config": plain,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.keystore.resolve()),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.truststore.resolve()),
        }

    def format_options(self) -> list[str]:
        """Return what the storage tool needs to create the users with the cluster."""
        return [
            option
            for name, password in self.users.items()
            for option in ("--add-scram", f"{MECHANISM}=[name={name},password={password}]")
        ]
