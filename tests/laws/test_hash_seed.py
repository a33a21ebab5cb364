import os
import subprocess
import sys


def folded_with(hash_seed: str) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "tests.laws.fold"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


def test_states_and_outputs_do_not_depend_on_the_hash_seed() -> None:
    one = folded_with("1")
    assert len(one.splitlines()) == 5
    assert folded_with("2") == one
