"""Reading a record that may have to be signed: what it says, and whether who wrote it was allowed to."""

from .approvals import verify_approval
from .errors import ContractError, SignatureError
from .events import Approval, Control, Event, Proposal
from .keyring import LOOP, Key, Keyring, Trust
from .orders import of_key
from .raw import Headers, Message
from .signing import PURPOSE_OF_TOPIC, Audience, verify
from .wire import decode

ALWAYS_SIGNED = ("actions", "approvals", "control", "outcomes")
"""Topics on which an unsigned record is worth nothing; on `policy` only the loop itself writes unsigned."""

PERSONAL_LIMIT = 16_384
"""Largest answer or proposal of a person (bytes): verdicts and actions hold several of them whole."""


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
    the reader) and is adopted into `trust` when its version is higher. An answer to an escalation holds its signature
    itself. What a person's key signed says so: `by` is whose key it is. What a machine's key ordered names nobody: the
    key is added to `by` (`schemas.orders.in_person`).
    """
    event = decode(topic, value, headers)
    if is_persons(event) and len(value or b"") > PERSONAL_LIMIT:
        raise ContractError(
            "too-large", f"expected at most {PERSONAL_LIMIT} bytes of a person, got {len(value or b'')}"
        )
    if isinstance(event, Control) and event.kind == "keyring":
        trust.adopt(event.value)
    elif isinstance(event, Approval):
        verify_approval(event, keyring=trust.keyring, audience=audience, now_us=now_us)
    elif must_be_signed(topic, event):
        key_id = verify_record(topic, key, value, headers, keyring=trust.keyring, audience=audience, now_us=now_us)
        return _by_whom(event, trust.keyring.find(key_id))
    return event


def _by_whom(event: Event, key: Key) -> Event:
    """Return the event with who said it; raises `SignatureError` when a person's key signed in another's name."""
    if key.is_persons and isinstance(event, Control | Proposal) and event.by != key.subject:
        raise SignatureError("wrong-person", f"expected an order of {key.subject}, got one of {event.by[:40]!r}")
    return of_key(event, key.id) if isinstance(event, Control) and not key.is_persons else event


def is_persons(event: Event) -> bool:
    """Whether only a person can have said this."""
    return isinstance(event, Approval) or (isinstance(event, Proposal) and event.by != LOOP)


def must_be_signed(topic: str, event: Event) -> bool:
    """Whether an event counts only with a signature on this topic."""
    return topic in ALWAYS_SIGNED or is_persons(event)


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
