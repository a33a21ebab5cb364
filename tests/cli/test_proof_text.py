"""The proof of value as people read it."""

import pytest
from msgspec.structs import replace

from streams.cli.proof_text import FEW_PATTERNS, LINES, print_proof
from streams.operate.proof_fields import Arm, Beside, Exploring, Lift, Paid, PatternBenefit, Peek, Proof

ARM = Arm(arm="loop", episodes=60, unmeasured=1, left_alone=5, reward=0.5, cost=3.0, answers=2, minutes=4.0)
LIFT = Lift(
    over="baseline", episodes=100, lift=0.25, low=0.05, high=0.45, proven_after=80, proven_us=1_700_000_000 * 10**6
)
LINE = PatternBenefit(
    pattern="p-1", name="cpu up", episodes=9, lift=0.1, low=-0.5, high=0.7, after=None, none_low=0.1, none_after=7
)
COURSE = tuple(
    Peek(episodes=10 * at, time_us=at, lift=0.2, low=0.2 - 2.0 / at, high=0.2 + 2.0 / at) for at in range(1, 11)
)
PROOF = Proof(
    baseline="restart",
    over="baseline",
    episodes=100,
    since_us=0,
    open=2,
    before=0,
    unseen=0,
    older=0,
    lives=0,
    dear=0,
    arms=(ARM, replace(ARM, arm="baseline", episodes=40, reward=None)),
    lifts=(LIFT, replace(LIFT, over="none", proven_after=None, proven_us=None)),
    course=COURSE,
    exploring=Exploring(decisions=60, price=0.01, low=-0.02, high=0.04, total=0.6),
    hold_out_price=12.5,
    paid=Paid(
        value=8.0,
        people=0.0,
        people_alone=0.0,
        after=30,
        time_us=1_700_000_000 * 10**6,
        sure_after=None,
        sure_us=None,
        sure_now=False,
    ),
    beside=Beside(grouped=0, exposed=0, crossed=0, apart=None),
    patterns=(LINE,),
)


def printed(proof: Proof, capsys: pytest.CaptureFixture[str]) -> str:
    print_proof(proof)
    return capsys.readouterr().out


def test_lift_and_when_it_was_sure_stand_in_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(PROOF, capsys)
    assert "100 episodes that have ended (left out: 2 that may yet change, or after one)" in said
    rows = {line.split()[0]: line for line in said.splitlines() if line.startswith(("baseline  +", "none      +"))}
    assert "+0.250" in rows["baseline"]
    assert "+0.050 to +0.450" in rows["baseline"]
    assert "first at episode 80, 2023-11-14 22:13:20; holds now" in rows["baseline"]
    assert "not yet" in rows["none"]


def test_a_bound_that_fell_again_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    """The lift may change: that it was sure once does not say that it is."""
    assert PROOF.paid is not None
    paid = replace(PROOF.paid, sure_after=50, sure_us=LIFT.proven_us)
    lost = replace(PROOF, lifts=(replace(LIFT, low=-0.01),), paid=paid, patterns=(replace(LINE, none_low=-0.1),))
    said = printed(lost, capsys)
    assert "first at episode 80, 2023-11-14 22:13:20; no longer" in said
    assert "surely: first at episode 50, 2023-11-14 22:13:20; no longer" in said
    assert "7; no longer" in said
    assert "holds now" not in said
    held = printed(replace(lost, paid=replace(paid, sure_now=True), patterns=(LINE,)), capsys)
    assert "surely: first at episode 50, 2023-11-14 22:13:20; holds now" in held
    assert "7; holds now" in held


def test_what_is_left_out_or_cut_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(replace(PROOF, open=0, before=3, unseen=4, older=5, dear=6), capsys)
    assert "3 under another baseline or other shares, or before that" in said
    assert "4 older than the measurements that are kept, 5 older than what is looked at)" in said
    assert "; in 6 more was spent than the dearest action costs, which is what counts" in said
    gone = printed(replace(PROOF, lifts=(), episodes=0, unseen=4), capsys)
    assert "insights under [retention]" in gone


def test_decisions_on_lives_are_left_out_and_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert "(left out: 2 that may yet change, or after one, 7 decisions on lives)" in printed(
        replace(PROOF, lives=7), capsys
    )
    alone = replace(PROOF, lifts=(), episodes=0, open=0, lives=7)
    assert "the loop decided on whole lives alone so far" in printed(alone, capsys)
    assert "before the first episode has ended" in printed(replace(alone, open=1), capsys)
    assert "before the first episode has ended" in printed(replace(alone, lives=0), capsys)


def test_over_which_arm_is_said_where_the_baseline_has_no_share(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(replace(PROOF, over="none", lifts=(replace(LIFT, over="none"),), paid=None), capsys)
    assert "lift over none as it went" in said
    assert "lift over none  " in said
    assert "over baseline" not in said


def test_prices_minutes_and_the_point_at_which_it_had_paid_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(PROOF, capsys)
    assert "price of exploring: +0.010 per decision of the loop's arm (-0.020 to +0.040), +0.6 over its 60" in said
    assert "price of the hold-out: +12.5 more had all its episodes been the loop's" in said
    assert "the loop had paid for itself: since episode 30, 2023-11-14 22:13:20\n  surely: not yet" in said
    assert "for the time of people" not in said
    assert PROOF.paid is not None
    asked = replace(PROOF, paid=replace(PROOF.paid, people=3.5, people_alone=2.25))
    assert "and 3.5 for the time of people (2.2 with the baseline alone)" in printed(asked, capsys)


def test_the_picture_shows_lift_interval_and_zero(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(PROOF, capsys).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("lift over baseline as it went"))
    picture = lines[at + 1 : at + 1 + LINES]
    assert all(line[:5].strip().lstrip("+-").replace(".", "").isdigit() for line in picture)
    assert sum(line.count("o") for line in picture) == len(COURSE)
    assert sum(line.count("|") for line in picture) > len(COURSE)
    surely = [replace(peek, low=0.15, high=0.25 + 0.01 / peek.time_us) for peek in COURSE]
    assert "-" * len(COURSE) in printed(replace(PROOF, course=tuple(surely)), capsys)
    for nothing_to_see in (COURSE[:1], (), tuple(replace(peek, low=-1.0, high=1.0) for peek in COURSE)):
        assert "as it went" not in printed(replace(PROOF, course=nothing_to_see), capsys)


def test_arms_side_by_side_are_told_where_entities_have_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert "entities have no groups" in printed(PROOF, capsys)
    beside = Beside(grouped=90, exposed=20, crossed=12, apart=replace(LIFT, episodes=80))
    said = printed(replace(PROOF, beside=beside), capsys)
    assert "within the horizon before 12 episodes another arm had acted on the same entity or group" in said
    assert "over baseline without the 20 that followed any action so soon: +0.250 (+0.050 to +0.450), 80 ep" in said
    assert "no groups" not in said


def test_few_patterns_are_shown_and_that_there_are_more(capsys: pytest.CaptureFixture[str]) -> None:
    many = tuple(replace(LINE, pattern=f"p-{number}") for number in range(FEW_PATTERNS + 3))
    said = printed(replace(PROOF, patterns=many), capsys)
    assert f"(the {FEW_PATTERNS} most frequent)" in said
    assert f"p-{FEW_PATTERNS - 1} " in said
    assert f"p-{FEW_PATTERNS} " not in said
    assert "most frequent" not in printed(PROOF, capsys)


def test_without_a_hold_out_it_says_what_would_give_one(capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(replace(PROOF, lifts=()), capsys)
    assert "`hold_out` under [policy] gives them shares" in said
    assert "price of" not in said
    early = printed(replace(PROOF, lifts=(), episodes=0), capsys)
    assert "before the first episode has ended" in early
    assert "gives them shares" not in early
