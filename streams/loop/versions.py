"""The version that every state begins with, looked at before the rest is read: another one may have other fields."""

import msgspec

from schemas.errors import RecoveryError


class _Versioned(msgspec.Struct):
    version: int


def refuse_other_version(snapshot: bytes, *, of: str, version: int) -> None:
    """Raise `RecoveryError` when a state is of another version."""
    found = msgspec.msgpack.decode(snapshot, type=_Versioned).version
    if found != version:
        raise RecoveryError(f"state of {of} must have version {version}, got {found}")
