"""What is said beside every estimate."""

from msgspec.structs import replace

from streams.operate.unknowns import unknowns
from tests.loop.gate_bench import SECOND, proposal
from tests.replay.gate_run import GateRun, settings


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
    told = unknowns([replace(wider, asked_after=3, masked=4, again=5, assumed=0)])
    assert [number for number in "345" if any(f" {number} " in line for line in told)] == ["3", "4", "5"]
    assert not any(line.startswith("how") for line in told)
