"""Signed requests as Standard Webhooks has them (github.com/standard-webhooks/standard-webhooks, version 1.0.0)."""

import base64
import binascii
import hashlib
import hmac
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.errors import SettingsError

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
Secrets = tuple[bytes, ...]


def webhook_headers(*, id: str, timestamp_s: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:  # noqa: A002  # the standard's word
    """Return the headers that say who sent a body and when; a signature (HMAC-SHA256) per secret, so keys can turn."""
    signed = b"%b.%d.%b" % (id.encode(), timestamp_s, body)
    macs = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
    signatures = " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs)
    return {"webhook-id": id, "webhook-timestamp": str(timestamp_s), "webhook-signature": signatures}


def read_secrets(*, variable: str, file: str, folder: Path, environment: Mapping[str, str]) -> Secrets:
    """Return the secrets that a variable or a file (relative to `folder`) holds; raises `SettingsError` without one.

    Several, separated by white space, all sign. A file must be readable by its owner only. No secret is ever shown.
    """
    if variable:
        text, place = environment.get(variable, ""), f"the variable {variable}"
    else:
        path = folder / file
        text, place = _read_private(path), str(path)
    if not text.split():
        raise SettingsError([f"{place}: expected a secret {PREFIX}..., got nothing"])
    return tuple(_decode(one, place) for one in text.split())


def _read_private(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise SettingsError([f"{path}: expected a file for its owner only (chmod 600), got mode {mode:o}"])
            return file.read(4096)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: expected a secret, got {type(error).__name__}"]) from error


def _decode(text: str, place: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise SettingsError([f"{place}: expected a secret {PREFIX} and base64 behind it"]) from error
    if not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise SettingsError([f"{place}: expected a secret of {LEAST_BYTES} to {MOST_BYTES} bytes, got {len(secret)}"])
    return secret
