"""``tuilab notify``: who is told when something needs you, and a trial of it."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from tuilab.cli.errors import ERROR, OK, RefusalError
from tuilab.cli.follow import tell_terminal
from tuilab.cli.output import document, out, plain
from tuilab.cli.verbs.arguments import AsJson
from tuilab.engine.host.send_notice import channels, send
from tuilab.grid.notices import Notice
from tuilab.store.program_name import program
from tuilab.store.user_files import config_file, load_user_config


def notify(
    test: Annotated[bool, typer.Option("--test", help="Send a notice to all of them now.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show who is told when a grid is done, first fails, stalls, pauses itself or loses its engine.

    Bell and desktop notifications come from a terminal that shows the experiment. Command, webhook
    and Apprise come from the engine, once each, even when nobody is watching.

    \b
    tuilab config edit        # [notify]
    tuilab notify --test
    """
    settings = load_user_config().config.notify
    if not test:
        wanted = settings.model_dump(mode="json")
        wanted["webhook"] = bool(settings.webhook)  # an address often is a secret
        wanted["apprise"] = len(settings.apprise)
        if as_json:
            document(wanted)
        for name, value in {} if as_json else wanted.items():
            out(plain(f"{name}: {_said(value)}"))
        return OK
    notice = Notice(
        "done", f"tuilab on {socket.gethostname()}: a test", "this is what it looks like"
    )
    if settings.on:
        tell_terminal([Notice(settings.on[0], notice.title, notice.text)])
    if not channels(settings):
        raise RefusalError(
            f"the terminal was told; [notify] in {config_file()} names no command, webhook or "
            f"apprise address: `{program()} config edit`"
        )
    answers = list(send(notice, settings))
    if as_json:
        document({"sent": [{"to": to, "problem": why or None} for to, why in answers]})
    for to, why in () if as_json else answers:
        out(plain(f"{to}: {why or 'sent'}"))
    return ERROR if any(why for _, why in answers) else OK


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
