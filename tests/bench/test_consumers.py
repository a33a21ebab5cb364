import subprocess
import sys

import msgspec

MEASURED = """
import sys
from tests.bench.consumers import Meter
sys.stdout.write("half a line")
sys.stdout.flush()
meter = Meter(count=3)
meter.add(1)
meter.add(2)
raise SystemExit("expected the meter to end the process")
"""


def test_a_result_stands_alone_on_the_last_line_whatever_the_measured_library_wrote_before() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, check=True)
    told = msgspec.json.decode(done.stdout.splitlines()[-1], type=dict[str, float])
    assert told["events"] == 2
    assert told.keys() == {"events", "seconds", "cpu_seconds"}
