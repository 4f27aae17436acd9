"""Sends one notice to what the person's config names: a command, a webhook, Apprise.

``python -m tuilab.engine.host.send_notice`` reads the notice on stdin, as JSON, and prints one line
for each that did not take it. An address is never printed: it often is a secret.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tuilab.grid.notices import Notice

if TYPE_CHECKING:
    from tuilab.grid.user_config import Notify

MARGIN_SECONDS = 5.0


class SendError(Exception):
    """Why a notice was not taken."""


def send(notice: Notice, to: Notify) -> Iterator[tuple[str, str]]:
    """Send to every channel; yield its name and why it failed ("" = it went well)."""
    if to.command:
        yield f"command {to.command[0]}", _why(partial(_run, notice, to))
    if to.webhook:
        address = os.path.expandvars(to.webhook)
        host = urlsplit(address).hostname or "?"
        yield f"webhook {host}", _why(partial(_post, notice, address, to.timeout_seconds))
    for number, address in enumerate(map(os.path.expandvars, to.apprise), 1):
        name = f"apprise {number} ({address.partition(':')[0]})"
        yield name, _why(partial(_apprise, notice, address))


def channels(to: Notify) -> int:
    """Return to how many a notice goes."""
    return bool(to.command) + bool(to.webhook) + len(to.apprise)


def _why(act: Callable[[], None]) -> str:
    try:
        act()
    except SendError as error:
        return str(error)
    except Exception as error:  # whatever a library raises may hold the address
        return type(error).__name__
    return ""


def _run(notice: Notice, to: Notify) -> None:
    filled = [
        word.replace("{title}", notice.title).replace("{text}", notice.text) for word in to.command
    ]
    try:
        process = subprocess.Popen(
            filled,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise SendError(str(error.strerror)) from None
    try:
        code = process.wait(to.timeout_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise SendError(f"still running after {to.timeout_seconds:g} s, ended") from None
    if code:
        raise SendError(f"exit code {code}")


def _post(notice: Notice, address: str, seconds: float) -> None:
    if unset := re.match(r"\$\{?(\w+)", address):
        raise SendError(f"${unset[1]} is not set where tuilab was started")
    if urlsplit(address).scheme not in ("http", "https"):
        raise SendError("must begin with http:// or https://")
    said = f"{notice.title}\n{notice.text}"
    # Slack and Mattermost read "text", Discord reads "content".
    body = {"kind": notice.kind, "title": notice.title, "text": said, "content": said}
    request = urllib.request.Request(
        address,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "tuilab"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=seconds):
            return
    except urllib.error.HTTPError as error:
        raise SendError(f"answered {error.code}") from None
    except urllib.error.URLError as error:
        why = getattr(error.reason, "strerror", None) or type(error.reason).__name__
        raise SendError(f"cannot be reached: {why}") from None
    except TimeoutError:
        raise SendError(f"no answer within {seconds:g} s") from None


def _apprise(notice: Notice, address: str) -> None:
    try:
        import apprise
    except ImportError:
        raise SendError("needs `pip install 'tuilab[notify]'`") from None
    sender = apprise.Apprise()
    if not sender.add(address):
        raise SendError("is not an address that Apprise knows")
    if not sender.notify(title=notice.title, body=notice.text):
        raise SendError("was refused")


def main() -> int:
    """Send the notice on stdin; 1 when some channel did not take it."""
    from tuilab.store.user_files import user_config

    config, notice = user_config(), Notice(**json.load(sys.stdin))
    if config is None or notice.kind not in config.notify.on:
        return 0
    most = channels(config.notify) * config.notify.timeout_seconds + MARGIN_SECONDS
    signal.setitimer(signal.ITIMER_REAL, most)  # an answer that drips in ends here
    failed = 0
    for name, why in send(notice, config.notify):
        if why:
            failed = 1
            print(f"{name}: {why}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
