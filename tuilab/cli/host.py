"""``tuilab --host HOST[:DIR] VERB...``: runs any verb on another machine, over ssh alone.

The option may stand before or behind the verb.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from itertools import takewhile

from tuilab.cli.errors import USAGE
from tuilab.cli.output import is_interactive, tell

OPTION = "--host"


def asks_for_host(words: Sequence[str]) -> bool:
    """Whether the words name another machine."""
    return _place(words) is not None


def _place(words: Sequence[str]) -> int | None:
    read = takewhile(lambda word: word != "--", words)  # no option stands behind that
    asked = (n for n, word in enumerate(read) if word == OPTION or word.startswith(f"{OPTION}="))
    return next(asked, None)


def run_there(words: Sequence[str]) -> int:  # noqa: RET503  # nothing follows an exec
    """Become an ssh that runs the rest of the words there; returns only if it cannot.

    With a folder the program in its ``.venv`` is used if there is one. A terminal goes along where
    there is one here, unless JSON is asked for: ssh would mix both streams.
    """
    where, rest = _split(words)
    host, _, folder = where.partition(":")
    if not host or host.startswith("-"):
        tell(f"error: {OPTION} needs a host as ssh knows it: `tuilab {OPTION} pod status`")
        return USAGE
    if shutil.which("ssh") is None:
        tell("error: there is no ssh here")
        return USAGE
    command = ssh_command(host, folder, rest, is_interactive() and "--json" not in rest)
    os.execvp(command[0], command)


def ssh_command(host: str, folder: str, words: Sequence[str], with_terminal: bool) -> list[str]:
    """Return the words of ssh for a verb in a folder of a host ("" for the home)."""
    verb = shlex.join(["tuilab", *words])
    if folder:
        place = folder if folder.startswith("~") else shlex.quote(folder)
        verb = f'cd {place} && PATH="$PWD/.venv/bin:$PATH" && {verb}'
    else:
        hint = f"no tuilab on {host}: {OPTION} {host}:DIR takes the one in the .venv of a folder"
        verb = f"command -v tuilab > /dev/null || echo {shlex.quote(hint)} >&2; {verb}"
    login = f"exec ${{SHELL:-sh}} -lc {shlex.quote(verb)}"
    return ["ssh", *(["-t"] if with_terminal else []), host, login]


def _split(words: Sequence[str]) -> tuple[str, list[str]]:
    at = _place(words)
    assert at is not None, "whoever calls has asked for it"
    before, (option, *rest) = list(words[:at]), words[at:]
    _, is_joined, value = option.partition("=")
    return (value, before + rest) if is_joined else ("".join(rest[:1]), before + rest[1:])
