"""Run a broker in the foreground: `python -m connectors.kafka [--data FOLDER] [--brokers 1|3] [--port PORT]`."""

import argparse
import signal
import sys
from pathlib import Path

from connectors.kafka.launcher import LocalKafka
from schemas.errors import FlyballError


def main() -> int:
    """Start, print the address, wait for Ctrl-C or SIGTERM, stop."""
    parser = argparse.ArgumentParser(prog="python -m connectors.kafka", description="Run Apache Kafka on this machine.")
    parser.add_argument("--data", type=Path, default=Path("var/kafka"), help="folder of its data (default: var/kafka)")
    parser.add_argument("--brokers", type=int, default=1, help="1 or 3")
    parser.add_argument("--port", type=int, action="append", help="client port; once per broker (default: free ones)")
    chosen = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background jobs begin with it ignored
        signal.signal(number, signal.default_int_handler)
    try:
        with LocalKafka(data=chosen.data, brokers=chosen.brokers, ports=chosen.port, lasting=True) as kafka:
            sys.stdout.write(f"Apache Kafka {kafka.version} at {kafka.bootstrap}, data in {chosen.data}\n")
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except FlyballError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
