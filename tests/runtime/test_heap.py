"""Threads share few arenas, so that what one frees another can use; what is freed is kept for a while, not for good."""

import ctypes
import os
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
from streams.runtime.heap import tune_heap

if sys.argv[1] == "tuned":
    tune_heap()
libc = ctypes.CDLL(None)
met = threading.Barrier(6)

def allocate():
    libc.malloc(100_000)
    met.wait()

threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_stats()
"""
needs_glibc = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc has these arenas")


def arenas(how: str, **set_by_hand: str) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], env=environment | set_by_hand, capture_output=True, text=True, check=True
    )
    return told.stderr.count("Arena ")


@needs_glibc
def test_threads_share_two_arenas() -> None:
    assert arenas("as it is") > 2
    assert arenas("tuned") <= 2


@needs_glibc
def test_what_a_person_has_set_stays() -> None:
    assert arenas("tuned", MALLOC_ARENA_MAX="4") > 2


RESTLESS = """
import resource, sys
import numpy as np
from streams.runtime.heap import tune_heap

if sys.argv[1] == "tuned":
    tune_heap()

def work():
    return [np.ones(25_000) for _ in range(40)]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

work()
before = faults()
for _ in range(50):
    work()
print(faults() - before)
"""


def faults(how: str) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", RESTLESS, how]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return int(told.stdout)


@needs_glibc
def test_memory_that_was_freed_is_taken_again_without_new_pages() -> None:
    assert faults("tuned") * 10 < faults("as it is")


BURST = """
from pathlib import Path
import numpy as np
from streams.runtime.heap import trim_heap, tune_heap

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024

tune_heap()
burst = [np.ones(6_000) for _ in range(2_000)]
burst = burst[::100]
before = resident_mb()
trim_heap()
print(before - resident_mb())
"""


@needs_glibc
def test_what_a_burst_left_free_in_the_midst_of_the_heap_is_given_back() -> None:
    told = subprocess.run([sys.executable, "-c", BURST], capture_output=True, text=True, check=True, timeout=60)
    assert float(told.stdout) > 60
