"""What a replay says of the audit chain."""

from msgspec.structs import replace

from schemas.events import AuditEntry
from streams.loop.account import GENESIS, link_hash
from streams.operate.replaying import AuditChain, RunReplay, audit_chain


def chain(length: int) -> list[AuditEntry]:
    links: list[AuditEntry] = []
    previous = GENESIS
    for sequence in range(length):
        digest = link_hash(
            previous=previous, sequence=sequence, time_us=sequence, subject="loop", kind="control", facts={}
        )
        links.append(
            AuditEntry(
                id=f"a{sequence}",
                time_us=sequence,
                sequence=sequence,
                subject="loop",
                kind="control",
                facts={},
                previous=previous,
                hash=digest,
            )
        )
        previous = digest
    return links


def run_with(audit: AuditChain | None, differences: int = 0) -> RunReplay:
    return RunReplay(steps=9, differences=differences, roles=(), mismatches=(), audit=audit)


def test_a_chain_that_holds_is_told_with_its_length() -> None:
    found = audit_chain(chain(4))
    assert str(found) == "4 links, chain intact"
    assert run_with(found).proves_the_run
    assert run_with(None).proves_the_run
    assert str(audit_chain([])) == "0 links, chain intact"


def test_a_broken_chain_names_the_break_and_fails_the_replay() -> None:
    links = chain(4)
    links[2] = replace(links[2], time_us=99)
    found = audit_chain(links)
    assert str(found).startswith("2 links, chain broken: link 2 was changed")
    assert not run_with(found).proves_the_run


def test_differences_fail_the_replay_though_the_chain_holds() -> None:
    assert not run_with(audit_chain(chain(1)), differences=1).proves_the_run
