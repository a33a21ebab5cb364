"""What another loop.toml says otherwise and no estimate takes into account."""

import pytest

from streams.operate.not_replayed import not_replayed
from streams.settings import Settings
from streams.settings.read import parse

POLICY, ACTION = '[policy]\nbaseline = "restart"\n', "[actions.restart]\ncost = 0.05\n"
OWN = f'[loop]\nname = "x"\n[telemetry]\npartitions = 1\n[outcome]\nhorizon = "5m"\n{POLICY}{ACTION}'
RENEWAL = 'outcome_wait = "3h"\n[policy.renewal]\naction = "restart"\nfailed = "failed"\n'


def of(text: str) -> Settings:
    return parse(text, name="loop.toml")


@pytest.mark.parametrize(
    ("was", "new", "expected"),
    [
        ("", "", ()),
        (POLICY, f"{POLICY}floor = 0.3\ngamma = 2.0\noptimism = 0.1\nreward_prior = 0.2\nremembered = 9000\n", ()),
        (POLICY, f"{POLICY}values = []\nask_cost = 0.1\n", ()),
        (POLICY, f"{POLICY}attempts = 1\n", ("policy.attempts",)),
        (POLICY, f'{POLICY}hold = "0s"\nexpires = "5m"\n', ("policy.expires", "policy.hold")),
        (POLICY, f"{POLICY}open_limit = 7\n", ("policy.open_limit",)),
        (POLICY, f"{POLICY}{RENEWAL}", ("policy.outcome_wait", "policy.renewal")),
        ("cost = 0.05", "cost = 0.4", ()),
        (ACTION, f'{ACTION}[actions.drain]\nrisk = "high"\n', ()),
        (ACTION, f'{ACTION}limit = "1/day"\n', ("actions",)),
        (ACTION, f'{ACTION}[gate]\nexplore_limit = "1/day"\n', ("gate",)),
    ],
)
def test_only_what_no_choice_is_made_by_is_said(was: str, new: str, expected: tuple[str, ...]) -> None:
    assert not_replayed(of(OWN), of(OWN.replace(was, new, 1))) == expected
