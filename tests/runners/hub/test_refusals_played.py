"""Refusals that no hub speaks: its certificate, a proxy on the way, a cache that takes nothing."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.hub.stand_in import Hub, serving
from tests.runners.hub.test_download import BASE, answer, fetch
from tuilab.cli.doctor.findings import findings_on_cache
from tuilab.grid.checks import Level

Mount = Callable[[str], Path]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub that serves the tiny base."""
    with serving(BASE) as served:
        yield served


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Return what mounts a small volume in memory with options."""
    made: list[Path] = []

    def one(options: str) -> Path:
        place = tmp_path / f"volume-{len(made)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("mounting a small tmpfs needs root")
        made.append(place)
        return place

    yield one
    for place in made:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout k.pem -out c.pem"
    named = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", *words.split(), *named], cwd=tmp_path, check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    with serving(BASE, tls=context) as hub:
        refused = answer(fetch(hub, tmp_path / "home"))
        assert refused["reason"] == "config"
        assert (
            f"the certificate of {hub.url} is not trusted here: set SSL_CERT_FILE"
            in (refused["error"])
        )
        trusted = fetch(hub, tmp_path / "home", SSL_CERT_FILE=str(tmp_path / "c.pem"))
        assert answer(trusted)["fetched_bytes"], "what the sentence says to do is enough"


@contextmanager
def proxy(status: int) -> Iterator[str]:
    """A proxy that answers everything alike."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

        def do_CONNECT(self) -> None:
            self.send_error(status)

        def log_message(self, format: str, *values: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("variable", "endpoint"),
    [
        ("HTTPS_PROXY", "https://hub.invalid"),
        pytest.param("HTTP_PROXY", "http://hub.invalid", marks=pytest.mark.trial),
    ],
)
def test_a_proxy_that_refuses(hub: Hub, tmp_path: Path, variable: str, endpoint: str) -> None:
    with proxy(407) as address:
        given = {variable: address, "HF_ENDPOINT": endpoint, "NO_PROXY": "", "no_proxy": ""}
        refused = answer(fetch(hub, tmp_path / "home", **given))
    told = f"the proxy in {variable} refuses {endpoint}: mend or unset {variable}"
    assert (refused["reason"], refused["error"]) == ("config", told)


def test_a_cache_that_is_full_or_cannot_be_written(hub: Hub, mount: Mount) -> None:
    full, fixed = mount("size=2m"), mount("size=9m")
    refused = answer(fetch(hub, full))
    assert refused["reason"] == "disk-full"
    assert f"the cache {full}/hub has" in refused["error"]
    assert "set HF_HOME to a larger volume" in refused["error"]
    subprocess.run(["mount", "-o", "remount,ro", str(fixed)], check=True)
    refused = answer(fetch(hub, fixed))
    told = f"the cache {fixed}/hub cannot be written: set HF_HOME to a folder of yours"
    assert (refused["reason"], refused["error"]) == ("config", told)
    low, why = findings_on_cache({"HF_HOME": str(fixed)})
    assert (low.level, why.level) == (Level.WARNING, Level.WARNING)
    assert "9.4 MB free for more" in low.sentence and "read-only" in why.sentence


def test_a_volume_that_fills_up_while_a_base_comes(hub: Hub, mount: Mount, tmp_path: Path) -> None:
    place = mount("size=5600k")
    hub.rate, eaten = 4e6, place / "others"

    def eat() -> None:
        while not any(place.rglob("*.incomplete")):
            time.sleep(0.01)
        eaten.write_bytes(b"x" * 1_500_000)

    eater = threading.Thread(target=eat, daemon=True)
    eater.start()
    refused = answer(fetch(hub, place))
    eater.join()
    assert refused["reason"] == "disk-full"
    assert f"the cache {place}/hub is full: free space there" in refused["error"]
    eaten.unlink()
    hub.rate = 0.0
    again = answer(fetch(hub, place))
    assert again["fetched_bytes"] < again["bytes"], "what had come was kept"
