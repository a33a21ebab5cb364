"""The hash chain of `audit`: each link covers the one before, so that nothing can be changed or left out unseen."""

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from schemas.events import AuditEntry

GENESIS = "0" * 64
"""What the first link names as the one before."""


def link_hash(*, previous: str, sequence: int, time_us: int, subject: str, kind: str, facts: Mapping[str, str]) -> str:
    """Return the SHA-256, in hex, of a link's canonical JSON."""
    content = [previous, sequence, time_us, subject, kind, dict(facts)]
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def verify_chain(entries: Iterable[AuditEntry]) -> str | None:
    """Return what is wrong with a chain read from its beginning, or None when every link holds."""
    previous, expected = GENESIS, 0
    for entry in entries:
        if entry.sequence != expected:
            return f"expected link {expected}, got {entry.sequence}"
        if entry.previous != previous:
            return f"link {entry.sequence} does not follow the one before it"
        content = link_hash(
            previous=previous,
            sequence=entry.sequence,
            time_us=entry.time_us,
            subject=entry.subject,
            kind=entry.kind,
            facts=entry.facts,
        )
        if entry.hash != content:
            return f"link {entry.sequence} was changed: its content hashes to {content}, it says {entry.hash}"
        previous, expected = entry.hash, expected + 1
    return None
