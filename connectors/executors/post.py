"""One HTTP request, with everything bounded: one resolution, one address, one deadline, no redirect, so much answer."""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

ANSWER_LIMIT = 65_536
"""Bytes of an answer that are read; what is longer is not looked at."""


class NotSentError(Exception):
    """No byte of the request left this machine: trying again cannot do anything twice."""


class NoAnswerError(Exception):
    """The request was sent, at least in part, and no whole answer came: it may have had its effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a URL points to."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> "Place":
        """Read an absolute http(s) URL; raises `ValueError` that says what was expected."""
        parts = urlsplit(url)  # raises ValueError for a broken one
        if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or not url.isprintable():
            raise ValueError(f'expected a URL https://HOST/PATH, got "{url}"')
        if " " in url or parts.username is not None or parts.fragment:
            raise ValueError("expected a URL without blanks, user name and fragment")
        secure = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(secure=secure, host=parts.hostname, port=parts.port or (443 if secure else 80), path=path)

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: status, headers by lower-case name, and the body (None: cut short, or too long)."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


def post(
    place: Place,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
    private: bool,
    context: ssl.SSLContext | None,
) -> Answer:
    """Send one POST and read its answer, all within `timeout_s`; raises `NotSentError` or `NoAnswerError`.

    `private` allows addresses that are not public. `context` is that of https. Proxies of the environment are not used.
    """
    until_s = time.monotonic() + timeout_s
    stream = _connect(place, addresses_of(place, private=private), until_s, context)
    # a peer that sends a byte now and then would outlive every timeout of a single read: this ends it all
    watch = threading.Timer(max(0.0, until_s - time.monotonic()), _shut, [stream])
    watch.daemon = True
    watch.start()
    connection = http.client.HTTPConnection(place.host, place.port)
    connection.sock = stream
    connection.auto_open = 0
    try:
        connection.request("POST", place.path, body, {"host": place.authority, "connection": "close", **headers})
        response = connection.getresponse()
        if time.monotonic() >= until_s:  # what was shut in the middle of its headers looks like their end
            raise TimeoutError
        return _answer(response, until_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= until_s:
            raise NoAnswerError(f"no whole answer within {timeout_s:.2g} s") from error
        raise NoAnswerError(f"no whole answer: {_said(error)}") from error
    finally:
        watch.cancel()
        connection.close()
        stream.close()


def addresses_of(place: Place, *, private: bool) -> tuple[str, ...]:
    """Resolve a host, once; raises `NotSentError` where one of its addresses must not be asked.

    All of them are looked at: a name that has a public and a private address is not to be trusted with either.
    """
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotSentError(f"cannot resolve {place.host}: {_said(error)}") from error
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if not private and not is_public(address):
            raise NotSentError(f"{place.host} is {address}, which is not public; `private = true` would allow it")
    return addresses


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet: not private, loopback, link-local, multicast, reserved."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_global and not ip.is_multicast


def _connect(place: Place, addresses: tuple[str, ...], until_s: float, context: ssl.SSLContext | None) -> socket.socket:
    """Connect to the first address that takes it. Nothing is looked up again: what was checked is what is asked."""
    why = ""
    for address in addresses:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            break
        try:
            plain = socket.create_connection((address, place.port), timeout=left_s)
        except OSError as error:
            why = f": {_said(error)}"
            continue
        return plain if context is None else _with_tls(plain, place, until_s, context)
    raise NotSentError(f"cannot connect to {place.authority}{why or ' in time'}")


def _with_tls(plain: socket.socket, place: Place, until_s: float, context: ssl.SSLContext) -> socket.socket:
    try:
        plain.settimeout(max(0.01, until_s - time.monotonic()))  # of the whole handshake
        return context.wrap_socket(plain, server_hostname=place.host)
    except (OSError, ValueError) as error:  # ssl's errors are OSErrors
        plain.close()
        raise NotSentError(f"no TLS with {place.authority}: {_said(error)}") from error


def _answer(response: http.client.HTTPResponse, until_s: float) -> Answer:
    """Read an answer. Once its status is there it has said what counts: a body cut short is left out, no more."""
    headers = {name.lower(): value for name, value in response.getheaders()}
    try:
        body: bytes | None = response.read(ANSWER_LIMIT + 1)
    except (OSError, http.client.HTTPException):
        body = None
    whole = body is not None and len(body) <= ANSWER_LIMIT and not response.length and time.monotonic() < until_s
    return Answer(status=response.status, headers=headers, body=body if whole else None)


def _shut(stream: socket.socket) -> None:
    """End both directions: whoever reads from it in another thread wakes up with an error or an end."""
    try:
        socket.socket.shutdown(stream, socket.SHUT_RDWR)
    except OSError:
        return  # it was closed already


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
