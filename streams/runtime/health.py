"""Metrics and probes over HTTP, on loopback."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from streams.runtime.metrics import Metrics

Probe = Callable[[], str | None]
"""Returns why not, or None when all is well."""


class HealthServer:
    """Serves `/metrics`, `/healthz` (the process works) and `/readyz` (it folds)."""

    def __init__(self, *, port: int, metrics: Metrics, healthy: Probe, ready: Probe) -> None:
        probes = {"/healthz": healthy, "/readyz": ready}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, metrics.exposition(), "text/plain; version=0.0.4")
                elif self.path in probes:
                    reason = probes[self.path]()
                    body = json.dumps({"status": "ok" if reason is None else reason}).encode()
                    self._answer(200 if reason is None else 503, body, "application/json")
                else:
                    self._answer(404, b"", "text/plain")

            def log_message(self, *_: object) -> None:
                """Probes are not worth a line."""

            def _answer(self, status: int, body: bytes, content_type: str) -> None:
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port, also when 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
