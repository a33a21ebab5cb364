"""Somebody else's program: knows Flyball only by the installed wheel. Publishes telemetry, does one action, prints it.

Arguments: bootstrap address, cluster id, loop, keys folder, memory folder.
"""

import sys
import time
from pathlib import Path

import pyarrow as pa
from flyball_schemas.client import ActionConsumer, TelemetryProducer
from flyball_schemas.connection import KafkaConnection
from flyball_schemas.keyfiles import load_signer, load_trust
from flyball_schemas.signing import Audience

bootstrap, cluster, loop, keys, memory = sys.argv[1:]
connection = KafkaConnection(bootstrap=bootstrap)
audience = Audience(cluster=cluster, loop=loop)
now_us = time.time_ns() // 1000
with TelemetryProducer(connection, loop=loop) as producer:
    producer.send("pump-1", now_us, {"pressure": 2.5})
    producer.send_frame(pa.table({"entity": ["pump-1", "pump-2"], "time": [now_us, now_us], "flow": [1.0, None]}))
with ActionConsumer(
    connection,
    audience=audience,
    trust=load_trust(Path(keys)),
    signer=load_signer(Path(keys), "outcomes", audience),
    group="pumps",
    executor="p1",
    store=Path(memory),
) as consumer:
    print("ready", flush=True)
    for action in consumer:
        if consumer.may_act(action):
            consumer.report(action, "succeeded", f"{action.action} of {action.entity}")
            print("done", action.id, flush=True)
        break
