"""Reading a record that may have to be signed: what it says, and whether who wrote it was allowed to."""

from .events import Control, Event, Proposal
from .keyring import Keyring, Trust
from .raw import Headers, Message
from .signing import PURPOSE_OF_TOPIC, Audience, verify
from .wire import decode

ALWAYS_SIGNED = ("actions", "approvals", "control", "outcomes")
"""Topics on which an unsigned record is worth nothing; on `policy` only the loop itself writes unsigned."""


def read_event(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
    *,
    trust: Trust,
    audience: Audience,
    now_us: int,
) -> Event:
    """Return the event of a record; raises `ContractError`, or `SignatureError` when its writer had no right to it.

    A keyring on `control` counts by the root key's signature alone (the key that signed the record may itself be new to
    the reader) and is adopted into `trust` when its version is higher.
    """
    event = decode(topic, value, headers)
    if isinstance(event, Control) and event.kind == "keyring":
        trust.adopt(event.value)
    elif must_be_signed(topic, event):
        verify_record(topic, key, value, headers, keyring=trust.keyring, audience=audience, now_us=now_us)
    return event


def must_be_signed(topic: str, event: Event) -> bool:
    """Whether an event counts only with a signature on this topic."""
    return topic in ALWAYS_SIGNED or (isinstance(event, Proposal) and event.by != "loop")


def verify_record(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
    *,
    keyring: Keyring,
    audience: Audience,
    now_us: int,
) -> str:
    """Return the id of the key that signed a record of `topic`; raises `SignatureError`."""
    message = Message(topic=topic, key=key, value=value, headers=headers)
    return verify(message, keyring=keyring, purpose=PURPOSE_OF_TOPIC[topic], audience=audience, now_us=now_us)
