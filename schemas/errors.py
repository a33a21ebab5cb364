"""The error tree. A class is a decision that its catcher can take; every message carries the remedy.

FlyballError
├── SettingsError      the operator edits loop.toml (or the command line) and tries again
├── ContractError      the data is bad: it becomes a dead letter, work goes on
│   └── SignatureError the sender is not who it must be: refused, never retried
├── BrokerError        Kafka does not answer or refuses: retry, later
├── StorageError       the disk does not keep what must be remembered: make room or mend it, start again
├── FencedError        another instance owns this work now: exit at once
└── RecoveryError      state and journal do not fit: an operator decides (`flyball recover`)
"""


class FlyballError(Exception):
    """Root of every error that Flyball raises on purpose."""


class SettingsError(FlyballError):
    """A setting is wrong; `problems` lists every one of them, each with its path and line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ContractError(FlyballError):
    """Bytes or values that are not what the contract says. `reason` is a short stable code for counting."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class SignatureError(ContractError):
    """A signature is missing, wrong, by an unknown or revoked key, or made for another audience."""


class BrokerError(FlyballError):
    """The broker cannot be reached or refused; trying again later may succeed."""


class StorageError(FlyballError):
    """A file that remembers what was done cannot be written or read: nothing more is started until it can."""


class FencedError(FlyballError):
    """A newer owner of the same transactional id exists: this process must stop writing and exit."""


class RecoveryError(FlyballError):
    """Snapshot, journal and inputs do not reproduce the recorded outputs; only a person may go on."""
