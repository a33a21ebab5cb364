"""What can be wrong on this machine: keys, disk, what executors remember, and messages that did not arrive."""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.errors import SettingsError, SignatureError
from schemas.keyfiles import (
    PURPOSES,
    ROOT_KEY,
    has_key,
    key_variable,
    load_keyring,
    load_signer,
    refuse_if_open,
)
from schemas.keyring import Keyring
from schemas.signing import Audience, Purpose
from schemas.stop_file import StopFile
from streams.operate.doctor.finding import Finding, fail, ok, warn
from streams.operate.notifying import Place

GIB, MIB = 1 << 30, 1 << 20
LITTLE_BYTES, TOO_LITTLE_BYTES = 2 * GIB, 256 * MIB
NOWHERE = Audience(cluster="", loop="")
"""For whom nothing is ever signed: a key is only looked at."""
_IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def check_keys(folder: Path, environment: Mapping[str, str], *, now_us: int) -> Iterator[Finding]:
    """Tell of private keys that others can read, or that the signed keyring does not trust (any more)."""
    try:
        keyring = load_keyring(folder)
    except (SettingsError, SignatureError) as error:
        yield fail(
            "keys", str(error), "flyball keys init makes keys; an altered keyring comes from a copy, never mended"
        )
        return
    problems = [*_readable_by_others(folder), *_not_trusted(folder, environment, keyring, now_us)]
    yield from problems
    here = [purpose for purpose in PURPOSES if has_key(folder, purpose, environment)]
    if not problems:
        held = f"{', '.join(here)} lie here, read by their owner only, and are" if here else "none lies here; keyring"
        yield ok("keys", f"{held} in version {keyring.version} of the keyring")


def _readable_by_others(folder: Path) -> Iterator[Finding]:
    for path in sorted(folder.glob("*.key")):
        if _is_open(path):
            remedy = f"chmod 600 {path}; who could read it may have it: {_instead_of(path)}"
            yield fail("keys", f"{path} is a private key that others can read", remedy)


def _is_open(path: Path) -> bool:
    try:
        refuse_if_open(path)
    except SettingsError:
        return True
    return False


def _instead_of(path: Path) -> str:
    """Return how a key that somebody else may have is replaced."""
    if path.name == ROOT_KEY:
        return "make all keys anew (flyball keys init in another folder), and give everyone the new root.pub"
    if path.stem in PURPOSES:
        return f"flyball keys rotate {path.stem}"
    return "flyball keys revoke its id (flyball keys list), then flyball keys add another one"


def _not_trusted(folder: Path, environment: Mapping[str, str], keyring: Keyring, now_us: int) -> Iterator[Finding]:
    for purpose in PURPOSES:
        variable, path = key_variable(purpose), folder / f"{purpose}.key"
        where = variable if variable in environment else str(path)
        if not has_key(folder, purpose, environment) or (where != variable and _is_open(path)):
            continue
        try:
            key_id = load_signer(folder, purpose, NOWHERE, environment).key_id
            keyring.trusted(key_id, purpose=purpose, now_us=now_us)
        except SettingsError as error:
            yield fail("keys", str(error), _another(purpose, where))
        except SignatureError as error:
            rotates = error.reason == "revoked-key" and where != variable
            remedy = f"flyball keys rotate {purpose}, then start what signs with it" if rotates else ""
            yield fail("keys", f"the key of {purpose}: {error}", remedy or _another(purpose, where))


def _another(purpose: Purpose, where: str) -> str:
    """Return how a key comes here that the keyring trusts, where the one that is here cannot be rotated."""
    return (
        f"a keyring.json that knows it, or another key, where root.key is: flyball keys add NAME --purpose {purpose} "
        f"makes one, to be {where} here"
    )


def check_stop_file(stop_file: StopFile, stopped: str | None) -> Finding:
    """Tell whether the loop is stopped on this machine, by whom and why; `stopped` is what its place says."""
    if stopped is None:
        return ok("stop file", f"{stop_file.path} is not there: the loop is not stopped on this machine")
    note = stop_file.note()
    remedy = f"flyball rearm --local, or remove {stop_file.path}; where it cannot be read, mend its folder"
    if note is None:
        return warn("stop file", f"{stopped}: nothing is started here", remedy)
    because = f": {note.reason}" if note.reason else ""
    return warn("stop file", f"{stopped} by {note.by}{because}; nothing is started here", remedy)


def check_disk(folder: Path) -> Finding:
    """Tell how much room is left where a folder is, or would be."""
    there = _nearest(folder)
    free = shutil.disk_usage(there).free
    found = f"{free / GIB:.1f} GiB free under {there}"
    if free < TOO_LITTLE_BYTES:
        return fail("disk", found, "make room now: who cannot remember what was started starts nothing more")
    if free < LITTLE_BYTES:
        return warn("disk", found, f"make room before it falls under {TOO_LITTLE_BYTES // MIB} MiB")
    return ok("disk", found)


def check_memories(folder: Path) -> Iterator[Finding]:
    """Tell whether executors of this machine can remember what they start; `folder` holds a folder of each."""
    stores = sorted(folder.glob("*/*.sqlite"))
    if not stores:
        there = _nearest(folder)
        if os.access(there, os.W_OK | os.X_OK):
            yield ok("memory", f"no executor has run here; {there} can be written")
        else:
            yield fail("memory", f"{there} cannot be written", "let the executor's user write there: [loop] data")
    for store in stores:
        yield _memory(store)


def _memory(store: Path) -> Finding:
    try:
        database = sqlite3.connect(f"{store.absolute().as_uri()}?mode=rw", uri=True, timeout=0.2, isolation_level=None)
        try:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
        finally:
            database.close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _IN_USE:
            return ok("memory", f"{store} is held by an executor that runs")
        remedy = "make room or mend the disk, then start the executor: until then it starts nothing"
        return fail("memory", f"{store} cannot be written ({error})", remedy)
    return ok("memory", f"{store} can be written, and no executor holds it")


def check_notices(place_file: Path, *, now_us: int) -> Iterator[Finding]:
    """Tell of messages to people that did not arrive yet."""
    place = Place.read(place_file)
    waiting = [notice for notice in place.waiting if notice.until_us > now_us] if place is not None else []
    if waiting:
        first = waiting[0].text.partition("\n")[0]
        found = f"{len(waiting)} messages of [notify] did not arrive yet, such as: {first}"
        yield warn(
            "notices", found, "look at that webhook; flyball notify says why, and sends them again while it runs"
        )


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one around it that exists."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    return there
