"""Published files: every fault of a server, a disk or a user has its words."""

import hashlib
import json
import logging
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from weights.mirror import PAGE, Mirror, isolate

from keras_senet.weights import store, transfer
from keras_senet.weights.store import RemoteFile, fetch
from keras_senet.weights.transfer import CHUNK

CONTENT = np.random.default_rng(1).bytes(300_001)
NAME = "net.h5"
HUB_NAME = "timm/net.a1_in1k/model.safetensors"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache."""
    isolate(monkeypatch, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def mirror(home, tmp_path, monkeypatch):
    folder = tmp_path / "published"
    for name in (NAME, HUB_NAME):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(CONTENT)
    with Mirror(folder) as mirror:
        monkeypatch.setenv("HF_ENDPOINT", mirror.url)
        yield mirror


@pytest.fixture
def remote(mirror):
    """A file whose SHA-256 is published."""
    return RemoteFile(
        NAME, f"{mirror.url}/{NAME}", None, len(CONTENT), "sha256", SHA256
    )


def first_use(remote):
    return replace(remote, size=None, algorithm=None, digest=None)


def publish(mirror, content, name=NAME):
    (mirror.folder / name).write_bytes(content)


def files(home):
    """The files of the cache, by their paths in it."""
    return sorted(
        path.relative_to(home).as_posix()
        for path in home.rglob("*")
        if path.is_file()
    )


def record(home, name=NAME):
    return json.loads((home / f"{name}.json").read_text())


def refuse(remote, *words):
    """The file is refused in these words."""
    with pytest.raises(ValueError) as error:
        fetch(remote)
    for word in words:
        assert word in str(error.value), (word, str(error.value))


CHILD = """
import json, os, sys, types
package = sys.modules["keras_senet"] = types.ModuleType("keras_senet")
package.__path__ = [sys.argv[1]]
from keras_senet.weights import store
remote = store.RemoteFile(**json.loads(sys.argv[2]))
"""


def child(code, remote, **arguments):
    """A process that runs code. It has the module without the package, whose
    import would take long."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + code]
        + [str(Path(store.__file__).parents[1]), json.dumps(asdict(remote))],
        text=True,
        stdin=subprocess.PIPE,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **arguments},
    )


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# The way of a file.


@pytest.mark.parametrize("algorithm", ["md5", "sha256", "sha384"])
def test_a_file_is_downloaded_once(mirror, home, remote, algorithm):
    digest = hashlib.new(algorithm, CONTENT).hexdigest()
    remote = replace(remote, algorithm=algorithm, digest=digest)
    for _ in range(2):
        assert fetch(remote) == home / NAME
        assert (home / NAME).read_bytes() == CONTENT
    assert mirror.gets() == [None]
    assert mirror.headers[0]["Accept-Encoding"] == "identity"
    assert files(home) == [NAME, NAME + ".json"]
    assert record(home)["sha256"] == SHA256
    assert record(home)["trust"] == "published"


def test_the_hub_tells_the_hash(mirror, home, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    remote = RemoteFile(HUB_NAME, hub="timm/net.a1_in1k")
    for _ in range(2):
        assert fetch(remote).read_bytes() == CONTENT
    resolve = "/timm/net.a1_in1k/resolve/main/model.safetensors"
    assert mirror.requests == [
        ("HEAD", resolve, None),
        ("GET", resolve, None),
        ("GET", f"/cdn/{HUB_NAME}", None),
    ]
    # The user's token is for the hub and not for the host of its files.
    tokens = [
        {k.lower(): v for k, v in headers.items()}.get("authorization")
        for headers in mirror.headers
    ]
    assert tokens == ["Bearer hf_secret", "Bearer hf_secret", None]
    assert record(home, HUB_NAME)["sha256"] == SHA256
    assert record(home, HUB_NAME)["trust"] == "hub"


def test_what_the_hub_did_not_announce_is_refused(mirror, home):
    mirror.fault = "flip"
    refuse(
        RemoteFile(HUB_NAME, hub="timm/net.a1_in1k"), SHA256, "hub", NAME[:3]
    )
    assert files(home) == []


def test_a_small_file_of_the_hub_has_a_size_only(mirror, home):
    mirror.lfs = False
    remote = RemoteFile(HUB_NAME, hub="timm/net.a1_in1k")
    mirror.fault, mirror.times = "truncate", 1
    refuse(remote, f"expected {len(CONTENT)} bytes; found 150000 bytes")
    assert files(home) == []
    assert fetch(remote).read_bytes() == CONTENT
    assert record(home, HUB_NAME)["trust"] == "first use"


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirror_has_every_file(mirror, home, remote, monkeypatch, slash):
    monkeypatch.setenv("KERAS_SENET_MIRROR", mirror.url + slash)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(replace(remote, url="https://nowhere.invalid/elsewhere.h5"))
    fetch(RemoteFile(HUB_NAME, hub="timm/net.a1_in1k"))
    assert [request[:2] for request in mirror.requests] == [
        ("GET", f"/{NAME}"),
        ("GET", f"/{HUB_NAME}"),
    ]
    assert not any("uthorization" in str(h) for h in mirror.headers)
    assert record(home, HUB_NAME)["trust"] == "first use"


def test_how_a_file_is_verified(remote, monkeypatch):
    hub = RemoteFile(HUB_NAME, hub="timm/net.a1_in1k")
    assert store.trust(remote) == "sha256 published"
    assert store.trust(replace(remote, algorithm="md5")) == "md5 published"
    assert store.trust(hub) == "hub's sha256"
    assert store.trust(first_use(remote)) == "sha256 of first use"
    monkeypatch.setenv("KERAS_SENET_MIRROR", "http://127.0.0.1:1")
    assert store.trust(hub) == "sha256 of first use"
    assert store.trust(replace(hub, size=9)) == "size, then sha256 of first use"


def test_the_folder_of_the_cache(monkeypatch):
    monkeypatch.setenv("KERAS_SENET_HOME", "~/nets")
    assert store.cache_folder() == Path.home() / "nets"
    monkeypatch.setenv("KERAS_SENET_HOME", "")
    assert store.cache_folder() == Path.home() / ".cache/keras_senet"


@pytest.mark.parametrize("name", ["../net.h5", "/etc/net.h5", "a//b", "C:\\n"])
def test_no_file_leaves_the_cache(home, name):
    refuse(RemoteFile(name, "http://127.0.0.1:1/"), repr(name), "without '..'")


def test_the_proxy_of_the_environment_is_used(mirror, remote, monkeypatch):
    monkeypatch.setenv("http_proxy", mirror.url)
    fetch(replace(remote, url=f"http://nowhere.invalid/{NAME}"))
    assert mirror.gets(NAME) == [None]


def test_the_module_imports_little(remote):
    code = """
heavy = "keras", "tensorflow", "requests", "filelock", "huggingface_hub", "rich"
print([name for name in heavy if name in sys.modules])"""
    assert child(code, remote).communicate()[0] == "[]\n"


# What the user sees.


def test_a_terminal_shows_progress(remote):
    terminal, end = pty.openpty()
    process = child("store.fetch(remote)", remote, stderr=end)
    os.close(end)
    shown = b""
    try:
        while block := os.read(terminal, 4096):
            shown += block
    except OSError:
        pass  # Linux's word for the end of a terminal
    os.close(terminal)
    assert process.communicate()[0] == ""
    assert process.returncode == 0
    assert NAME in shown.decode()
    assert "300.0/300.0 kB" in shown.decode()


def test_elsewhere_there_is_a_line_of_the_log(remote, home, caplog):
    with caplog.at_level(logging.INFO, "keras_senet"):
        fetch(remote)
    assert "Downloading net.h5 (0.3 MB) from 127.0.0.1" in caplog.text
    shutil.rmtree(home)
    assert child("store.fetch(remote)", remote).communicate() == ("", "")


# Interruptions.


def test_a_broken_connection_is_taken_up_again(mirror, remote):
    mirror.fault, mirror.times, mirror.cut = "cut", 3, 70_000
    assert fetch(remote).read_bytes() == CONTENT
    starts = [int(r.strip("bytes=-")) for r in mirror.gets()[1:]]
    # What the last chunks brought is lost.
    np.testing.assert_allclose(starts, [70e3, 140e3, 210e3], atol=3 * CHUNK)
    assert starts == sorted(set(starts))


def test_without_etag_and_hash_it_starts_again(mirror, remote):
    mirror.fault, mirror.times, mirror.etags = "cut", 3, False
    assert fetch(first_use(remote)).read_bytes() == CONTENT
    assert mirror.gets() == [None] * 4


def test_after_three_retries_the_next_call_goes_on(mirror, home, remote):
    mirror.fault, mirror.cut = "cut", 50_000
    words = "broken", remote.url, "kept for the next try"
    refuse(remote, *words, "KERAS_SENET_MIRROR", str(home / NAME))
    assert len(mirror.gets()) == 4
    mirror.fault = None
    assert fetch(remote).read_bytes() == CONTENT
    assert int(mirror.gets()[-1].strip("bytes=-")) > 200_000 - 4 * CHUNK
    assert files(home) == [NAME, NAME + ".json"]


@pytest.mark.parametrize("known", [True, False])
def test_a_killed_process_blocks_nobody(mirror, home, remote, known):
    remote = remote if known else first_use(remote)
    mirror.fault = "slow"
    process = child("store.fetch(remote)", remote)
    partial = home / f"{NAME}.partial"
    until(lambda: partial.exists() and partial.stat().st_size)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert partial.exists()
    assert (home / f"{NAME}.lock").exists()
    size = partial.stat().st_size
    mirror.fault = None
    assert fetch(remote).read_bytes() == CONTENT
    assert mirror.gets() == [None, f"bytes={size}-"]
    assert files(home) == [NAME, NAME + ".json"]


def leave_partial(home, content, etag=""):
    home.mkdir()
    (home / f"{NAME}.partial").write_bytes(content)
    (home / f"{NAME}.partial.etag").write_text(etag)


def test_a_server_without_ranges_starts_again(mirror, home, remote):
    leave_partial(home, CONTENT[:1000])
    mirror.fault = "no-range"
    assert fetch(remote).read_bytes() == CONTENT
    assert mirror.gets() == ["bytes=1000-"]


def test_a_range_that_is_not_there_starts_again(mirror, home, remote):
    leave_partial(home, CONTENT + b"more")
    assert fetch(remote).read_bytes() == CONTENT
    assert mirror.gets() == [f"bytes={len(CONTENT) + 4}-", None]


@pytest.mark.parametrize("known", [True, False])
def test_another_part_than_asked_for_starts_again(mirror, home, remote, known):
    remote = remote if known else first_use(remote)
    etag = f'"{hashlib.sha1(CONTENT).hexdigest()}"'
    leave_partial(home, CONTENT[:1000], etag)
    mirror.fault = "other-range"
    assert fetch(remote).read_bytes() == CONTENT
    assert mirror.gets() == ["bytes=1000-", None]


def test_a_connection_that_brings_nothing_is_given_up(mirror, home, remote):
    mirror.fault, mirror.cut = "cut", 0
    refuse(remote, "broken", remote.url)
    assert mirror.gets() == [None]


def test_the_rest_of_another_file_starts_again(mirror, home, remote):
    leave_partial(home, b"x" * 1000)
    assert fetch(remote).read_bytes() == CONTENT
    assert mirror.gets() == ["bytes=1000-", None]


def test_where_the_hash_is_known_etags_may_differ(mirror, home, remote):
    """As they do on servers that share the work."""
    leave_partial(home, CONTENT[:1000], '"of another server"')
    assert fetch(remote).read_bytes() == CONTENT
    assert mirror.gets() == ["bytes=1000-"]


def test_a_wrong_file_in_pieces_is_asked_for_twice(mirror, home, remote):
    leave_partial(home, CONTENT[:1000])
    mirror.fault = "flip"
    refuse(remote, SHA256)
    assert mirror.gets() == ["bytes=1000-", None]
    assert files(home) == []


@pytest.mark.parametrize("etags", [True, False, "W/"])
def test_a_file_that_changed_meanwhile_is_not_mixed(
    mirror, home, remote, etags
):
    """Of this file nothing is published, and both have the same size."""
    remote = first_use(remote)
    mirror.etags = etags
    mirror.fault = "slow"
    process = child("store.fetch(remote)", remote)
    partial = home / f"{NAME}.partial"
    until(lambda: partial.exists() and partial.stat().st_size)
    process.kill()
    process.communicate()
    mirror.fault = None
    publish(mirror, CONTENT[::-1])
    assert fetch(remote).read_bytes() == CONTENT[::-1]


# Wrong bytes.


@pytest.mark.parametrize("fault", ["flip", "html", "truncate"])
@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_wrong_bytes_leave_nothing(mirror, home, remote, fault, algorithm):
    wrong = {
        "flip": CONTENT[:150_000]
        + bytes([CONTENT[150_000] ^ 1])
        + CONTENT[150_001:],
        "html": PAGE,
        "truncate": CONTENT[:150_000],
    }[fault]
    expected = hashlib.new(algorithm, CONTENT).hexdigest()
    found = hashlib.new(algorithm, wrong).hexdigest()
    mirror.fault = fault
    words = [NAME, remote.url, expected, found, f"found {len(wrong)} bytes"]
    words += ["HTML"] * (fault == "html")
    refuse(replace(remote, algorithm=algorithm, digest=expected), *words)
    assert files(home) == []
    assert len(mirror.gets()) == 1


def test_a_page_is_no_file_even_where_nothing_is_known(mirror, home, remote):
    mirror.fault = "html"
    refuse(first_use(remote), "expected a file of weights", "HTML")
    assert files(home) == []


def test_a_size_is_all_that_is_known(mirror, home, remote):
    remote = replace(remote, algorithm=None, digest=None)
    mirror.fault = "truncate"
    refuse(remote, "expected 300001 bytes; found 150000 bytes")
    assert files(home) == []
    mirror.fault = None
    fetch(remote)
    assert record(home)["trust"] == "first use"


# No answer.


@pytest.mark.parametrize("fault", ["404", "500"])
@pytest.mark.parametrize("hub", [False, True])
def test_a_refusal_is_told(mirror, home, remote, fault, hub):
    mirror.fault = fault
    if hub:
        remote = RemoteFile(HUB_NAME, hub="timm/net.a1_in1k")
        url = f"{mirror.url}/timm/net.a1_in1k/resolve/main/model.safetensors"
    else:
        url = remote.url
    words = [f"from {url}", fault, f"download {url}", str(home / remote.file)]
    refuse(remote, *words, "KERAS_SENET_MIRROR", remote.digest or "")
    assert files(home) == []


def test_a_refused_connection_is_told(home, remote, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{NAME}"
    words = "Connection refused", str(home / NAME), "KERAS_SENET_MIRROR"
    refuse(replace(remote, url=url), url, *words)
    monkeypatch.setenv("HF_ENDPOINT", url.removesuffix(f"/{NAME}"))
    refuse(RemoteFile(HUB_NAME, hub="a/b"), "/a/b/resolve/main/", words[0])
    monkeypatch.setenv("KERAS_SENET_MIRROR", "127.0.0.1/no-scheme")
    refuse(remote, "from 127.0.0.1/no-scheme/net.h5", f"download {remote.url}")
    assert files(home) == []


def test_an_unknown_host_is_told(home, remote, monkeypatch):
    def unknown(*args, **keywords):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    url = f"https://nowhere.invalid/{NAME}"
    refuse(replace(remote, url=url), url, "Name or service not known")


def test_a_silent_server_is_told(mirror, home, remote, monkeypatch):
    assert transfer.TIMEOUTS == (10, 60)
    monkeypatch.setattr(transfer, "TIMEOUTS", (0.2, 0.2))
    mirror.fault = "slow"
    refuse(remote, remote.url, "timed out")
    assert f"{NAME}.partial" in files(home)


def test_offline_mode_of_the_hub_is_told(mirror, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    remote = RemoteFile(HUB_NAME, hub="timm/net.a1_in1k")
    told = child("store.fetch(remote)", remote).communicate()[1]
    assert "HF_HUB_OFFLINE" in told.splitlines()[-1]
    assert mirror.requests == []


# The cache.


@pytest.mark.parametrize("published", [True, False])
def test_a_damaged_cache_is_mended(mirror, home, remote, caplog, published):
    remote = remote if published else first_use(remote)
    path = fetch(remote)
    path.write_bytes(CONTENT[:-1] + b"x")
    assert fetch(remote).read_bytes() == CONTENT
    assert "net.h5 is damaged" in caplog.text
    assert len(mirror.gets()) == 2
    path.write_bytes(CONTENT[:1000])
    mirror.fault = "404"
    refuse(remote, "404")
    mirror.fault = None
    publish(mirror, CONTENT[::-1])
    words = [] if published else ["first use", str(home / f"{NAME}.json")]
    refuse(remote, SHA256, *words)
    assert not (home / f"{NAME}.partial").exists()


def test_another_version_is_downloaded_when_it_is_published(mirror, remote):
    digests = [hashlib.md5(c).hexdigest() for c in (CONTENT, CONTENT[::-1])]
    remotes = [replace(remote, algorithm="md5", digest=d) for d in digests]
    assert fetch(remotes[0]).read_bytes() == CONTENT
    publish(mirror, CONTENT[::-1])
    assert fetch(remotes[1]).read_bytes() == CONTENT[::-1]


def test_a_damaged_record_is_written_again(home, remote):
    fetch(remote)
    for text in ("", "[]", '{"published": 1}'):
        (home / f"{NAME}.json").write_text(text)
        fetch(remote)
        assert record(home)["sha256"] == SHA256


def test_a_cache_that_is_no_folder_is_told(tmp_path, remote, monkeypatch):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file/home", Path("/proc/keras_senet")):
        monkeypatch.setenv("KERAS_SENET_HOME", str(folder))
        words = str(folder), "KERAS_SENET_HOME", remote.url, SHA256
        refuse(remote, *words, "KERAS_SENET_MIRROR")


def test_a_full_disk_is_told_and_gets_its_room_back(home, remote):
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    store.fetch(remote)
except ValueError as error:
    print(error)"""
    told = child(code, remote).communicate()[0]
    for word in ("File too large", "KERAS_SENET_HOME", remote.url, str(home)):
        assert word in told
    assert files(home) == []


@pytest.mark.parametrize("recorded", [True, False])
def test_a_cache_that_can_only_be_read_is_enough(remote, monkeypatch, recorded):
    """Nothing stops root, so the process becomes nobody; pytest's own folders
    are closed to that."""
    folder = Path(tempfile.mkdtemp())
    monkeypatch.setenv("KERAS_SENET_HOME", str(folder))
    if recorded:
        fetch(remote)
    else:
        remote = first_use(remote)
        (folder / NAME).write_bytes(CONTENT)
    before = files(folder)
    folder.chmod(0o555)
    code = """
if os.getuid() == 0:
    os.setuid(65534)
try:
    open(store.cache_folder() / "new", "w")
except PermissionError:
    print(store.fetch(remote))"""
    try:
        shown = child(code, remote).communicate()
        assert shown == (f"{folder / NAME}\n", "")
        assert files(folder) == before
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def put_by_hand(home, content, name=NAME):
    (home / name).parent.mkdir(parents=True)
    (home / name).write_bytes(content)


def test_a_file_put_there_by_hand_is_used(mirror, home, remote):
    put_by_hand(home, CONTENT)
    assert fetch(remote) == home / NAME
    assert record(home)["trust"] == "published"
    assert mirror.requests == []


def test_a_wrong_file_put_there_by_hand_is_not_used(mirror, home, remote):
    put_by_hand(home, PAGE)
    assert fetch(remote).read_bytes() == CONTENT


def test_of_a_file_put_there_by_hand_the_hub_is_asked(mirror, home):
    remote = RemoteFile(HUB_NAME, hub="timm/net.a1_in1k")
    put_by_hand(home, CONTENT, HUB_NAME)
    fetch(remote)
    assert [request[0] for request in mirror.requests] == ["HEAD"]
    assert record(home, HUB_NAME)["trust"] == "hub"


def test_by_hand_works_without_network(mirror, home, remote):
    remote = RemoteFile(HUB_NAME, hub="timm/net.a1_in1k")
    put_by_hand(home, CONTENT, HUB_NAME)
    mirror.fault = "500"
    for _ in range(2):
        fetch(remote)
    # Recorded, it is not asked for again.
    assert len(mirror.requests) == 1
    assert record(home, HUB_NAME)["trust"] == "first use"
    assert record(home, HUB_NAME)["sha256"] == SHA256


def test_eight_processes_download_once(mirror, home, remote):
    mirror.fault = "slow"
    code = """
print("here", flush=True)
sys.stdin.readline()
print("fetching", flush=True)
print(store.fetch(remote))"""
    processes = [child(code, remote) for _ in range(8)]
    for process in processes:
        assert process.stdout.readline() == "here\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        assert process.stdout.readline() == "fetching\n"
    mirror.go.set()
    for process in processes:
        assert process.communicate() == (f"{home / NAME}\n", "")
    assert mirror.gets() == [None]
    assert files(home) == [NAME, NAME + ".json"]
