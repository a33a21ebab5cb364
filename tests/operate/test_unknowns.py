"""What is said beside every estimate."""

from msgspec.structs import replace

from streams.operate.unknowns import unknowns
from tests.loop.gate_bench import SECOND, outcome, proposal
from tests.replay.gate_run import TEXT, GateRun, action_of, settings


def test_only_what_matters_to_the_difference_is_said() -> None:
    run = GateRun(settings('loop_limit = "1/hour"'))
    for name in ("e0", "e1"):
        run.give(proposal(name, entity=name, episode=f"episode-{name}", time_us=run.us))
        run.us += SECOND
    same, wider = run.what_if(run.settings), run.what_if(settings())
    assert unknowns([same]) == []
    first, *rest = unknowns([same, wider])
    assert first.startswith("what up to 1 actions would have changed")
    assert [line.split(" ", 1)[0] for line in rest] == ["how", "what"]
    told = unknowns([replace(wider, silent=3, masked=4, again=5, moved=6, assumed=0)])
    assert [number for number in "3456" if any(f" {number} " in line for line in told)] == ["3", "4", "5", "6"]
    assert not any(line.startswith("how") for line in told)


def test_what_the_other_settings_let_an_action_do_is_said_even_where_no_verdict_differs() -> None:
    run = GateRun(settings())
    (line,) = unknowns([run.what_if(settings(text=TEXT + "dry_run = true\n"))])
    assert line.startswith("what restart would have done and earned")


def test_that_nobody_rearmed_the_breaker_of_other_settings_is_said() -> None:
    run = GateRun(settings())
    for name in ("e0", "e1", "e2"):
        action = action_of(run.give(proposal(name, entity=name, episode=f"episode-{name}", time_us=run.us)))
        run.give(outcome(action, "failed"))
        run.us += SECOND
    told = unknowns([run.what_if(settings("failed_least = 1"))])
    (line,) = [one for one in told if one.startswith("when people")]
    assert "kept back up to 2 proposals" in line
