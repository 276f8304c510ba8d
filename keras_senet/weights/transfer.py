"""The transfer of a file, which goes on where it stopped.

Beside a partial file lies its ETag, which tells whether the rest is of the
same file.
"""

import contextlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

logger = logging.getLogger("keras_senet")

TIMEOUTS = (10, 60)  # seconds: to connect, and between two pieces
RETRIES = 3
# Bytes that are written at a time, and lost when a connection breaks.
CHUNK = 1 << 13


@contextlib.contextmanager
def progress(name: str, size: int | None, url: str):
    """Shows a download: a bar where there is a terminal, else a line of log.

    Args:
        name: what is downloaded.
        size: bytes, or `None` if unknown.
        url: where from.

    Yields:
        A function of the bytes that came and of their number, which shows them.
    """
    megabytes = f" ({size / 1e6:.1f} MB)" if size else ""
    host = urlsplit(url).hostname
    logger.info("Downloading %s%s from %s", name, megabytes, host)
    if not (sys.stderr and sys.stderr.isatty()):
        yield lambda done, total: None
        return
    from rich import progress
    from rich.console import Console

    with progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(16),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(name, total=size)
        yield lambda done, total: bar.update(
            task, completed=done, total=total or size
        )


def _etag_path(partial):
    return partial.with_name(partial.name + ".etag")


def _etag(partial):
    path = _etag_path(partial)
    return path.read_text() if path.exists() else ""


def discard(partial: Path) -> None:
    """Removes a partial file and what lies beside it.

    Args:
        partial: the file.
    """
    for path in (partial, _etag_path(partial)):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _size(path):
    return path.stat().st_size if path.exists() else 0


def receive(
    url: str, headers: dict, partial: Path, hashed: bool, show: Callable
) -> bool:
    """Fills a partial file, from where it stopped.

    A connection that breaks is taken up again, unless it brought nothing: then
    nobody is there.

    Args:
        url: where from.
        headers: headers of the request.
        partial: the file.
        hashed: whether the whole will be compared with a hash.
        show: function of the bytes that came and of their number.

    Returns:
        Whether its pieces came separately.

    Raises:
        requests.RequestException: if it can't be had.
        OSError: if the file can't be written.
    """
    from requests import ConnectionError
    from requests.exceptions import ChunkedEncodingError

    for left in range(RETRIES, -1, -1):
        # With neither hash nor ETag, nothing would tell that the rest is of
        # another file.
        if not (hashed or _etag(partial)):
            discard(partial)
        before = _size(partial)
        try:
            return _receive_once(url, headers, partial, hashed, show)
        except (ConnectionError, ChunkedEncodingError):
            if not left or _size(partial) <= before:
                raise


def _receive_once(url, headers, partial, hashed, show):
    import requests

    start = _size(partial)
    asked = headers | {"Range": f"bytes={start}-"} if start else headers
    with requests.get(
        url, headers=asked, stream=True, timeout=TIMEOUTS
    ) as response:
        status, found = response.status_code, response.headers
        joined = bool(
            start
            and status == 206
            and found.get("Content-Range", "").startswith(f"bytes {start}-")
            and (hashed or found.get("ETag") == _etag(partial))
        )
        if start and status in (206, 416) and not joined:
            # There is no such rest.
            discard(partial)
            return _receive_once(url, headers, partial, hashed, show)
        if status != 200 and not joined:
            raise requests.HTTPError(
                f"the server answers {status} {response.reason}"
            )
        if not joined:
            start = 0
            # A weak one (W/) does not stand for the same bytes.
            etag = found.get("ETag", "")
            etag = "" if etag.startswith("W/") else etag
            _etag_path(partial).write_text(etag)
        length = found.get("Content-Length")
        total = start + int(length) if length else None
        with partial.open("ab" if joined else "wb") as file:
            # urllib3 (2 and later) sees to it that all of it comes.
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                show(file.tell(), total)
    return joined
