"""A server on the loopback that publishes a folder, and fails as it is told.

    with Mirror(folder) as mirror:
        mirror.fault, mirror.times = "cut", 1

It is a mirror (`/FILE`) and imitates Hugging Face's hub
(`/OWNER/NAME/resolve/main/FILE` of `folder/OWNER/NAME/FILE`, which redirects to
another host as the hub does to its CDN).
"""

import contextlib
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from huggingface_hub import constants

# An answer to those who have to sign in.
PAGE = b"<!DOCTYPE html><html><body>Sign in to continue</body></html>"


def isolate(monkeypatch, home):
    """Gives a test its own cache, and none of the user's settings."""
    for name in ("KERAS_SENET_MIRROR", "HF_TOKEN", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("KERAS_SENET_HOME", str(home))
    # With it, the hub is asked for more than the file.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)


class Mirror:
    """Serves a folder.

    Attributes:
        url: base URL, without a slash at the end.
        requests: (method, path, Range header or `None`) of every request.
        headers: the headers of every request.
        fault: what goes wrong with the files' bytes. "cut" closes the
            connection after `cut` bytes (default: half), "flip" turns one bit,
            "html" answers a page with status 200, "truncate" half of the file
            as if it were all, "no-range" ignores Range, "other-range" answers
            a Range with all, "slow" sends half and waits for `go`; "404" and
            "500" (any status) are answers of the hub too.
        times: number of requests that the fault has left, `None` for all.
        etags: whether files have an ETag, `"W/"` for a weak one that all share.
        lfs: whether the hub's files are in large file storage, so that their
            ETag is a SHA-256.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.requests, self.headers = [], []
        self.fault = self.times = self.cut = None
        self.etags = self.lfs = True
        self.go = threading.Event()
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"mirror": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        # Asked often whether to stop, it stops soon.
        threading.Thread(
            target=self.server.serve_forever, args=(0.02,), daemon=True
        ).start()
        return self

    def __exit__(self, *error):
        self.go.set()
        self.server.shutdown()
        self.server.server_close()

    def gets(self, name=""):
        """The ranges of the GETs of the paths that end in a name."""
        with self.lock:
            return [
                ranges
                for method, path, ranges in self.requests
                if method == "GET" and path.endswith(name)
            ]

    def take_fault(self, *names):
        """The fault, if it is of these and has not happened often enough."""
        with self.lock:
            fits = self.fault and (self.fault in names or "*" in names)
            if not fits or self.times == 0:
                return None
            if self.times:
                self.times -= 1
            return self.fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self):
        # Whoever asked may be killed.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self):
        # A proxy is asked for whole URLs.
        path = unquote(urlsplit(self.path).path)
        with self.mirror.lock:
            self.mirror.requests.append(
                (self.command, path, self.headers["Range"])
            )
            self.mirror.headers.append(dict(self.headers))
        hub = re.fullmatch("/(.+)/resolve/main/(.+)", path)
        if hub:
            self.answer_as_hub(self.mirror.folder / hub[1] / hub[2])
        else:
            path = path.removeprefix("/cdn/").lstrip("/")
            self.answer(self.mirror.folder / path)

    do_HEAD = do_GET

    def answer_as_hub(self, file):
        fault = self.mirror.fault or ""
        if fault.isdigit() or not file.is_file():
            self.send(int(fault or 404), {"X-Error-Code": "EntryNotFound"})
            return
        headers = {"X-Repo-Commit": "0" * 40}
        if not self.mirror.lfs:
            self.answer(file, headers)
            return
        content = file.read_bytes()
        # The same server, under a name that makes it another host.
        cdn = self.mirror.url.replace("127.0.0.1", "localhost")
        self.send(
            302,
            headers
            | {
                "Location": f"{cdn}/cdn/"
                + file.relative_to(self.mirror.folder).as_posix(),
                "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Linked-Size": str(len(content)),
            },
        )

    def answer(self, file, headers=None):
        headers = dict(headers or {})
        fault = self.mirror.take_fault("*") if self.command == "GET" else None
        if (fault or "").isdigit() or not file.is_file():
            self.send(int(fault or 404))
            return
        content = file.read_bytes()
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        if self.mirror.etags:
            headers["ETag"] = etag
        if self.mirror.etags == "W/":
            headers["ETag"] = 'W/"1"'
        start = self.start_of_range(fault, headers.get("ETag"))
        if fault == "flip":
            middle = len(content) // 2
            flipped = bytes([content[middle] ^ 1])
            content = content[:middle] + flipped + content[middle + 1 :]
        elif fault == "html":
            content, start = PAGE, None
        elif fault == "truncate":
            content = content[: len(content) // 2]
        if start is None:
            self.send(200, headers, content, fault)
        elif start >= len(content):
            self.send(416, {"Content-Range": f"bytes */{len(content)}"})
        else:
            end, size = len(content) - 1, len(content)
            if fault == "other-range":
                start = 0
            headers["Content-Range"] = f"bytes {start}-{end}/{size}"
            self.send(206, headers, content[start:], fault)

    def start_of_range(self, fault, etag):
        """The first byte wanted, or `None` for the whole file."""
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        changed = self.headers["If-Range"] not in (None, etag)
        if not wanted or changed or fault == "no-range":
            return None
        return int(wanted[1])

    def send(self, status, headers=None, content=b"", fault=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(content) // 2
        if fault == "cut":
            cut = half if self.mirror.cut is None else self.mirror.cut
            self.wfile.write(content[:cut])
            self.close_connection = True
        elif fault == "slow":
            self.wfile.write(content[:half])
            self.mirror.go.wait(60)
            self.wfile.write(content[half:])
        else:
            self.wfile.write(content)

    def log_message(self, *args):
        pass
