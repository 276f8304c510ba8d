"""Published files: downloaded once, verified before every use.

A file counts only after its hash: the published one, else the one that the
hub knows, else its size. Its SHA-256 is recorded beside it at first use and
checked ever after. No file is opened here, only its bytes are read.
"""

import contextlib
import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from keras_senet.weights.transfer import discard, progress, receive

logger = logging.getLogger("keras_senet")


@dataclass(frozen=True)
class RemoteFile:
    """One file as it is published.

    Attributes:
        file: its path in the cache and on a mirror, with `/`; no other file
            has the same.
        url: where it is published, or `None` for a file of the hub.
        hub: repository of Hugging Face that has it, such as
            `timm/seresnet50.ra2_in1k`; there it is the last part of `file`.
        size: bytes, or `None` where not published.
        algorithm: `sha256`, `sha384` or `md5`, or `None` where not published.
        digest: the hash in hexadecimal, or `None` where not published.
    """

    file: str
    url: str | None = None
    hub: str | None = None
    size: int | None = None
    algorithm: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class _Expected:
    """What a file's bytes have to be, and who says so.

    The size counts only where there is no hash.
    """

    digests: dict
    size: int | None
    trust: str


def cache_folder() -> Path:
    """Returns the folder of downloaded files.

    Returns:
        The folder that `KERAS_SENET_HOME` names, else `~/.cache/keras_senet`.
    """
    named = os.environ.get("KERAS_SENET_HOME") or "~/.cache/keras_senet"
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"KERAS_SENET_HOME is {named!r}, and there is no such home folder. "
            "Give the path of a folder."
        ) from error


def trust(remote: RemoteFile) -> str:
    """Returns in a few words how a file is verified.

    Args:
        remote: the file.

    Returns:
        Text such as `sha256 published`.

    Example:

    >>> trust(RemoteFile("a.h5", "https://a.org/a.h5", size=12))
    'size, then sha256 of first use'
    """
    if remote.digest:
        return f"{remote.algorithm} published"
    if remote.hub and not _mirror():
        return "hub's sha256"
    return ("size, then " if remote.size else "") + "sha256 of first use"


def fetch(remote: RemoteFile) -> Path:
    """Returns a verified file of the cache, which it downloads if need be.

    A broken download goes on where it stopped, in this call or the next.
    `KERAS_SENET_MIRROR` names the base URL of a mirror to take all files from.

    Args:
        remote: the file.

    Returns:
        The path in the cache. Its bytes have been verified just now.

    Raises:
        ValueError: if the file can't be downloaded, is not what was
            published, or the cache can't be written.
    """
    path = _path(remote)
    try:
        # First without a lock: a cache that can only be read does as well.
        problem = _problem_of_cached(remote, path)
        if problem and path.exists():
            logger.warning(
                "%s is damaged: %s It is downloaded again.", path, problem
            )
        if problem:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path):
                # Another process may have been faster.
                if _problem_of_cached(remote, path):
                    _download(remote, path)
    except OSError as error:
        raise ValueError(
            f"{remote.file} can't be kept in the cache folder "
            f"{str(cache_folder())!r}: {error}. Make room there, name "
            "another folder in KERAS_SENET_HOME, "
            f"{_by_hand(remote, path)}"
        ) from error
    return path


def forget(remote: RemoteFile) -> None:
    """Removes a file from the cache that only its first use vouches for.

    Args:
        remote: the file.
    """
    path = _path(remote)
    if _record(remote, path)[1] == "first use":
        for one in (path, _record_path(path)):
            with contextlib.suppress(OSError):
                one.unlink(missing_ok=True)


def _path(remote):
    parts = remote.file.split("/")
    if any(
        part in ("", ".", "..") or set(part) & {"\\", ":"} for part in parts
    ):
        raise ValueError(
            f"{remote.file!r} would not lie in the cache folder. Allowed are "
            "relative paths with '/' and without '..', '\\' and ':'."
        )
    return cache_folder().joinpath(*parts)


def _mirror():
    return os.environ.get("KERAS_SENET_MIRROR", "").rstrip("/")


def _url(remote):
    if _mirror():
        return f"{_mirror()}/{remote.file}"
    return published_url(remote)


def published_url(remote: RemoteFile) -> str:
    """Returns where a file is published.

    Args:
        remote: the file.

    Returns:
        A URL, at the endpoint of the hub for a file of the hub.
    """
    if not remote.hub:
        return remote.url
    from huggingface_hub import hf_hub_url

    # Read here too: the hub's library looks only when it is imported.
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
    return hf_hub_url(remote.hub, remote.file.split("/")[-1], endpoint=endpoint)


def _by_hand(remote, path):
    known = {remote.algorithm: remote.digest} if remote.digest else {}
    words = _words(remote.size, known)
    return (
        f"or download {published_url(remote)} on another machine and put it "
        f"at {str(path)!r}{words and f' ({words})'}, or name a mirror that has "
        f"{remote.file} in KERAS_SENET_MIRROR."
    )


def _words(size, digests):
    words = [] if size is None else [f"{size} bytes"]
    return ", ".join(words + [f"{key} {digests[key]}" for key in digests])


# What a file has to be.


def _expected(remote, path):
    recorded, origin = _record(remote, path)
    digests = {"sha256": recorded} if recorded else {}
    if remote.digest:
        digests[remote.algorithm] = remote.digest
        return _Expected(digests, remote.size, "published")
    if recorded:
        return _Expected(digests, remote.size, origin)
    if remote.hub and not _mirror():
        return _hub_expects(remote)
    return _Expected({}, remote.size, "first use")


def _hub_expects(remote):
    """What the hub says of a file, or a ConnectionError."""
    from huggingface_hub import get_hf_file_metadata

    try:
        found = get_hf_file_metadata(published_url(remote))
    except Exception as error:
        # Whose errors come here depends on the version: requests', httpx's.
        raise ConnectionError(" ".join(str(error).split())) from error
    # Files outside of git's large file storage have git's SHA-1 as their etag.
    etag = (found.etag or "").lower()
    if len(etag) == 64 and set(etag) <= set("0123456789abcdef"):
        return _Expected({"sha256": etag}, found.size, "hub")
    return _Expected({}, remote.size or found.size, "first use")


def _check(path, expected):
    """A file's SHA-256, and in words what is wrong with it, if anything."""
    hashes = {
        name: hashlib.new(name, usedforsecurity=False)
        for name in {"sha256", *expected.digests}
    }
    size = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            size += len(block)
            for one in hashes.values():
                one.update(block)
        file.seek(0)
        start = file.read(256).lstrip().lower()
    found = {name: one.hexdigest() for name, one in hashes.items()}
    page = start.startswith((b"<!doctype html", b"<html"))
    compared = {name: found[name] for name in expected.digests}
    if expected.digests:
        right = compared == expected.digests
    else:
        right = expected.size in (None, size) and not page
    if right:
        return found["sha256"], None
    wanted = _words(expected.size, expected.digests) or "a file of weights"
    hint = " It begins like an HTML page: an error or a login?" if page else ""
    return found["sha256"], (
        f"expected {wanted}; found {_words(size, compared or found)}.{hint}"
    )


def _problem_of_cached(remote, path):
    """In words what is wrong with the file in the cache, if anything."""
    if not path.is_file():
        return "It is not there."
    try:
        expected = _expected(remote, path)
    except ConnectionError as error:
        # The file was put there by hand, maybe since there is no network.
        logger.warning("The hub does not tell the hash of %s: %s", path, error)
        expected = _Expected({}, remote.size, "first use")
    sha256, problem = _check(path, expected)
    if not problem and not _record(remote, path)[0]:
        _write_record(remote, path, sha256, expected.trust)
    return problem


def _record_path(path):
    return path.with_name(path.name + ".json")


def _record(remote, path):
    """SHA-256 recorded at first use, and who had said that it was right.

    They hold for the file as it was published then; another has none yet.
    """
    try:
        record = json.loads(_record_path(path).read_text())
        if record["published"] == asdict(remote):
            return record["sha256"], record["trust"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None, None


def _write_record(remote, path, sha256, origin):
    record = {"sha256": sha256, "trust": origin, "published": asdict(remote)}
    temporary = path.with_name(f"{path.name}.json.{os.getpid()}")
    # A cache that can't be written is as good for a file that it has.
    with contextlib.suppress(OSError):
        try:
            temporary.write_text(json.dumps(record, indent=2) + "\n")
            os.replace(temporary, _record_path(path))
            if origin == "first use":
                logger.warning(
                    "Nobody has told the hash of %s: it is used as it is, and "
                    "its SHA-256 %s counts from now on.",
                    remote.file,
                    sha256,
                )
        finally:
            temporary.unlink(missing_ok=True)


# How a file comes.


@contextlib.contextmanager
def _locked(path):
    from filelock import FileLock

    lock = path.with_name(path.name + ".lock")
    with FileLock(lock):
        try:
            yield
        finally:
            # filelock leaves it. Who waits for it sees that it has gone, and
            # makes a new one (3.20.4 and later).
            with contextlib.suppress(OSError):
                lock.unlink(missing_ok=True)


def _download(remote, path):
    """Puts the right file into the cache, or nothing."""
    from requests import RequestException

    url = _url(remote)
    partial = path.with_name(path.name + ".partial")
    try:
        expected = _expected(remote, path)
        # Pieces may be of different files, so a joined one has two tries.
        for _ in range(2):
            with progress(
                remote.hub or remote.file, expected.size, url
            ) as show:
                joined = receive(
                    url, _headers(remote), partial, bool(expected.digests), show
                )
            sha256, problem = _check(partial, expected)
            if not problem:
                os.replace(partial, path)
                _write_record(remote, path, sha256, expected.trust)
            discard(partial)
            if not problem:
                return
            if not joined:
                break
    except (RequestException, ConnectionError) as error:
        kept = " What came is kept for the next try." * partial.exists()
        raise ValueError(
            f"{remote.file} can't be downloaded from {url}: {_why(error)}."
            f"{kept} Try again later, {_by_hand(remote, path)}"
        ) from None
    except OSError:
        discard(partial)
        raise
    recorded = ""
    if _record(remote, path)[0] and not remote.digest:
        recorded = (
            f" The hash was recorded at first use in "
            f"{str(_record_path(path))!r}: remove that if the file was "
            "published anew and you trust it."
        )
    raise ValueError(
        f"{remote.file} from {url} is not the file that was published: "
        f"{problem} Nothing was kept.{recorded} Try again later, "
        f"{_by_hand(remote, path)}"
    )


def _headers(remote):
    # Compressed bytes are not the file's.
    headers = {"Accept-Encoding": "identity"}
    if remote.hub and not _mirror():
        from huggingface_hub.utils import build_hf_headers

        # With the user's token, which requests gives to no other host.
        headers |= build_hf_headers()
    return headers


def _why(error):
    # requests wraps urllib3's reason in a tale of pools and retries.
    inner = error.args[0] if error.args else error
    inner = getattr(inner, "reason", None) or inner
    args = getattr(inner, "args", None) or [inner]
    return str(args[0]).rstrip(".")
