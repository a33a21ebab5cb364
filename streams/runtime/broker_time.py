"""The broker's time, asked for at a takeover: no step may be taken in a wrong time, as all that follow would be held up
until that time has come, under a right clock, too.
"""

from schemas.clock import LoopClock
from schemas.errors import BrokerError
from streams.loop.step import JOURNAL
from streams.runtime.clock import Difference, compare
from streams.runtime.spec import WorkerSpec
from streams.runtime.step_producer import StepProducer
from streams.runtime.torn import await_decided, nothing

_ATTEMPTS = 3
"""A broker that has just started may answer slowly, which hides a difference."""


def ask_broker_time(spec: WorkerSpec, partition: int, producer: StepProducer, clock: LoopClock) -> Difference:
    """Compare clocks by records that nobody will see, in the partition's journal. `producer` is open, and nothing is
    undecided there. Raises `BrokerError`, also where the end of their transactions does not come: who takes over next
    mends that.
    """
    for _ in range(_ATTEMPTS):
        sent_at_us = clock.elapsed_us()
        receipt = producer.write_and_abort([nothing(f"{JOURNAL}-{spec.role}", partition)])
        difference = compare(clock, sent_at_us=sent_at_us, appended_us=receipt.appended_ms * 1_000)
        if difference.is_sharp:
            break
    left = await_decided(spec, partition)
    if left:
        raise BrokerError(f"expected the end of an aborted transaction in {left}, it did not come")
    return difference
