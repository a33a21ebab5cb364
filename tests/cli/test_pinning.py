"""Threads and BLAS kernel are fixed before numpy is loaded, and what somebody chose stays."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = (
    "import os, sys; from streams.cli.main import pin_arithmetic; assert 'numpy' not in sys.modules; pin_arithmetic(); "
    "print(os.environ['OPENBLAS_NUM_THREADS'], os.environ['OMP_NUM_THREADS'], os.environ['POLARS_MAX_THREADS'])"
)


def pinned(**chosen: str) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), **chosen}
    found = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def test_a_process_computes_with_one_thread_unless_somebody_chose() -> None:
    assert pinned() == "1 1 1"
    assert pinned(POLARS_MAX_THREADS="2") == "1 1 2"
