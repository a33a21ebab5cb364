"""A real HTTP server on this machine that answers as it is told and remembers what it was asked."""

import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answering = Callable[[BaseHTTPRequestHandler], None]


def says(status: int, body: bytes = b"", **headers: str) -> Answering:
    """Answering at once; `_` in the names of headers stands for `-`."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def after(seconds: float, answer: Answering) -> Answering:
    def late(request: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        answer(request)

    return late


def drips(request: BaseHTTPRequestHandler) -> None:
    """Send a byte of a header that never ends every 50 ms: no single read takes long."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
    for _ in range(100):
        request.wfile.write(b"x")
        time.sleep(0.05)


def floods(request: BaseHTTPRequestHandler) -> None:
    """Send a body that does not end."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(1000):
        request.wfile.write(b"x" * 65_536)


def sends(data: bytes, times: int = 1) -> Answering:
    """Send bytes as they are, whatever they are."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        for _ in range(times):
            request.wfile.write(data)

    return answer


def hangs_up(request: BaseHTTPRequestHandler) -> None:
    request.connection.close()


class HttpTarget:
    """Answers POSTs one after the other as `answers` say; the last one is repeated."""

    def __init__(self, *answers: Answering, certificate: Path | None = None) -> None:
        self.asked: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.at_once = self.most_at_once = 0
        self._answers = answers
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.port = self._server.server_address[1]
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.port}/hook?a=b"

    def __enter__(self) -> "HttpTarget":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        target = self

        class OnPost(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # the name that http.server calls
                target._take(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        return OnPost

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.bodies.append(request.rfile.read(int(request.headers["content-length"])))
            self.asked.append({name.lower(): value for name, value in request.headers.items()})
            answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        request.close_connection = True
        try:
            answer(request)
        except OSError:
            pass  # who asked has gone
        finally:
            with self._lock:
                self.at_once -= 1
