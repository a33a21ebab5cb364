"""Fold the recorded run in a process of its own and print a digest per role: `python -m tests.laws.fold`."""

import hashlib

from schemas.topics import ROLES
from streams.loop.step import take_step
from tests.laws.recorded import fresh_role, steps_of
from tests.simulation.loop import LOOP


def main() -> None:
    """Print the role, and the hash of its state and outputs."""
    for name in ROLES:
        role = fresh_role(name)
        digest = hashlib.sha256()
        for step in steps_of(name):
            digest.update(take_step(role, step.batches, step.now, loop=LOOP).digest.encode())
        digest.update(role.snapshot())
        print(name, digest.hexdigest())


if __name__ == "__main__":
    main()
