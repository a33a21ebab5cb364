"""Which records of `outcomes` count for an executor: those by keys that were new to it, or withdrawn, do too."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from schemas import kafka, wire
from schemas.client.duplicates import DuplicateStore
from schemas.client.outcomes import OutcomeLog
from schemas.errors import BrokerError
from schemas.events import Outcome
from schemas.keyfiles import add_key, keyring_text, load_signer, load_trust, revoke_key
from schemas.keyring import Trust
from schemas.raw import Message
from schemas.signing import Signer
from tests.patience import PATIENCE_S, eventually
from tests.schemas.executors import Site, next_is


def newcomer(site: Site) -> Signer:
    """Give executor x9 a key of its own, which is not on `control` yet."""
    folder = site.folder / "x9"
    folder.mkdir()
    shutil.copy(add_key(site.keys, "outcomes", "x9"), folder / "outcomes.key")
    return load_signer(folder, "outcomes", site.audience)


def claim(site: Site, action: str, signer: Signer | None = None) -> Message:
    made: dict[str, Any] = {"entity": "web-1", "group": "ops", "executor": "x9", "state": "claimed"}
    plain = wire.encode(Outcome(id=f"claim-{action}", time_us=1, action=action, **made), loop=site.loop)
    return plain if signer is None else signer.sign(plain)


@contextmanager
def following(site: Site, trust: Trust, heard_s: Callable[[], float]) -> Iterator[tuple[OutcomeLog, DuplicateStore]]:
    memory = {"loop": site.loop, "group": "ops", "cluster": site.audience.cluster}
    with closing(DuplicateStore(site.folder / "memory", now_us=0, **memory)) as store:
        signer = load_signer(site.keys, "outcomes", site.audience)
        producer = kafka.make_producer(site.connection)
        log = OutcomeLog(
            site.connection,
            producer,
            audience=site.audience,
            trust=trust,
            signer=signer,
            store=store,
            control_heard_s=heard_s,
        )
        with closing(log):
            yield log, store


def test_a_claim_by_a_key_that_is_new_counts_for_who_starts_with_an_older_keyring(site: Site) -> None:
    trust = load_trust(site.keys)
    signer = newcomer(site)
    site.order(keyring_text(site.keys), kind="keyring")
    site.send(claim(site, "a1", signer))
    with site.executor("x1", trust=trust) as consumer:
        site.action("a1")
        site.action("a2")
        next_is(consumer, "a2")
    assert site.told("a1") == [("x9", "claimed")]


def test_a_record_by_an_unknown_key_waits_until_control_was_heard_and_what_comes_behind_it_too(site: Site) -> None:
    trust = load_trust(site.keys)
    signer = newcomer(site)
    with following(site, trust, lambda: float("-inf")) as (log, store):
        site.send(claim(site, "a1", signer))
        site.send(site.claim("a2"))
        until_s = time.monotonic() + 2
        while time.monotonic() < until_s:
            assert not log.follow(0.05)
        assert store.next_offset == 0
        trust.adopt(keyring_text(site.keys))
        log.read_to_end(PATIENCE_S)
        assert [store.winner("a1"), store.winner("a2")] == ["claim-a1", "rival-a2"]
        assert log.ignored == 0


def test_a_start_that_takes_too_long_keeps_what_it_has_read_for_the_next(site: Site) -> None:
    """Else a log that is not read within the time of one start would never be."""
    trust = load_trust(site.keys)
    signer = newcomer(site)
    site.send(site.claim("a1"))
    site.send(claim(site, "a2", signer))
    for _ in range(2):
        with following(site, trust, lambda: float("-inf")) as (log, store):
            with pytest.raises(BrokerError, match="control was not heard"):
                log.catch_up(2.0, now_us=0)
            assert (store.next_offset, store.winner("a1")) == (1, "rival-a1")


def test_a_record_by_a_key_that_control_does_not_bring_is_ignored(site: Site) -> None:
    signer = newcomer(site)
    trust = load_trust(site.keys)
    revoke_key(site.keys, signer.key_id)
    trust.keyring = replace(trust.keyring, keys=tuple(key for key in trust.keyring.keys if key.id != signer.key_id))
    with following(site, trust, time.monotonic) as (log, store):
        for number in range(600):  # more than are read on while the first waits
            site.send(claim(site, f"a{number}", signer))
        site.send(site.claim("last"))
        eventually(lambda: not log.follow(0.05) and store.winner("last") is not None)
        assert log.ignored == 600
        assert store.winner("a1") is None


def test_who_starts_waits_for_control_once_however_many_records_name_an_unknown_key(site: Site) -> None:
    signer, trust = newcomer(site), load_trust(site.keys)
    trust.keyring = replace(trust.keyring, keys=tuple(key for key in trust.keyring.keys if key.id != signer.key_id))
    asked: list[float] = []

    def heard_s() -> float:
        """Say that `control` was heard once, at the hundredth question."""
        asked.append(time.monotonic())
        return asked[99] if len(asked) >= 100 else float("-inf")

    with following(site, trust, heard_s) as (log, store):
        for number in range(300):  # more than are read on while the first waits
            site.send(claim(site, f"a{number}", signer))
        site.send(site.claim("last"))
        log.catch_up(PATIENCE_S, now_us=0)
        assert (log.ignored, store.winner("last") is not None) == (300, True)
        site.send(claim(site, "later", signer))
        with pytest.raises(BrokerError, match="control was not heard"):
            log.read_to_end(1.0)


def test_what_a_withdrawn_key_claimed_counts_and_what_only_names_it_does_not(site: Site) -> None:
    """The id of a revoked key is no signature by it."""
    signer = newcomer(site)
    control = load_signer(site.keys, "control", site.audience)
    genuine = claim(site, "a1", signer)
    names = {"ce_keyid": signer.key_id.encode(), "ce_signature": b"AAAA"}
    unsigned, of_control = (claim(site, action) for action in ("a2", "a3"))
    forged = replace(unsigned, headers=(*unsigned.headers, *names.items()))
    for key_id in (signer.key_id, control.key_id):
        revoke_key(site.keys, key_id)
    with following(site, load_trust(site.keys), time.monotonic) as (log, store):
        for message in (genuine, forged, control.sign(of_control)):
            site.send(message)
        log.read_to_end(PATIENCE_S)
        assert [store.winner(action) for action in ("a1", "a2", "a3")] == ["claim-a1", None, None]
        assert log.ignored == 2
