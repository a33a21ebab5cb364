"""A state as a former release left it."""

from collections.abc import Mapping

import msgspec

from streams.loop.role import Role


def former_state(role: Role, versions: Mapping[str, int]) -> bytes:
    """Return the state of a role with another version, and other fields, in the place of some of its processors."""
    state = msgspec.msgpack.decode(bytes(role.snapshot()))
    for name, version in versions.items():
        state["processors"][name] = msgspec.msgpack.encode({"version": version, "of": "a former release"})
    return msgspec.msgpack.encode(state)
