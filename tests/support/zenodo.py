"""A server on loopback that answers as Zenodo's API does, and misbehaves where a test wants it to."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FakeZenodo:
    """What the server has, and how it behaves.

    Attributes:
        files: Content by name.
        knows_range: Whether it gives the rest of a file on request.
        breaks_after: By name, after how many bytes each transfer ends too early.
        md5: By name, what it says of a file instead of the truth.
        record: What it answers instead of the record.
        requests: Path and `Range` of each request, in order.
    """

    files: dict[str, bytes]
    knows_range: bool = True
    breaks_after: dict[str, int] = field(default_factory=dict)
    md5: dict[str, str] = field(default_factory=dict)
    record: Any = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""

    def asked_for(self, name: str) -> list[str | None]:
        """The `Range` of each request for a file."""
        return [wanted for path, wanted in self.requests if path.endswith(f"/{name}/content")]

    def document(self) -> Any:
        """Give the record as the API has it."""
        entries = [
            {
                "key": name,
                "size": len(data),
                "checksum": "md5:" + self.md5.get(name, hashlib.md5(data).hexdigest()),
                "links": {"self": f"{self.address}/api/records/3966543/files/{name}/content"},
            }
            for name, data in self.files.items()
        ]
        return self.record if self.record is not None else {"id": 3966543, "files": entries}


@contextmanager
def serving(zenodo: FakeZenodo) -> Iterator[FakeZenodo]:
    """Run the server meanwhile, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            zenodo.requests.append((self.path, self.headers["Range"]))
            if self.path == "/api/records/3966543":
                self._answer(200, json.dumps(zenodo.document()).encode())
            elif (name := self.path.split("/")[-2]) in zenodo.files:
                self._send_file(name)
            else:
                self.send_error(404)

        def _send_file(self, name: str) -> None:
            data, wanted = zenodo.files[name], self.headers["Range"]
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and zenodo.knows_range else 0
            end = min(len(data), start + zenodo.breaks_after.get(name, len(data)))
            headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
            self._answer(206 if start else 200, data[start:end], len(data) - start, headers)

        def _answer(self, code: int, body: bytes, length: int | None = None, headers: dict[str, str] = {}) -> None:  # noqa: B006
            self.send_response(code)
            for name, value in {"Content-Length": str(length or len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        zenodo.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield zenodo
        server.shutdown()
        thread.join()
