"""Loopback ports: choose free ones, and say clearly when a wanted one is taken."""

import socket
from contextlib import ExitStack, suppress

from schemas.errors import BrokerError

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that were free a moment ago."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [one.getsockname()[1] for one in sockets]


def is_free(port: int) -> bool:
    """Say whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def require_free(ports: list[int]) -> None:
    """Raise `BrokerError` naming the ports that somebody else listens on."""
    taken = [port for port in ports if not is_free(port)]
    if taken:
        named = ", ".join(str(port) for port in taken)
        raise BrokerError(f"expected free ports on {LOOPBACK}, but {named} is taken; stop its owner or choose another")


def answers(port: int) -> bool:
    """Say whether somebody accepts connections on this port."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=0.5):
        return True
    return False
