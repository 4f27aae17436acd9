"""Asks and uses a model hub for the command line: python -m runners.hub VERB ...

fetch MODEL [--revision R] [--tokenizer] [--code]    progress on stderr, JSON on stdout
file DATASET FILE [--revision R]                      one file of a data set into the cache, as JSON
ask MODEL [the same options]      what would come, as JSON; config.json comes, which tells its size
login                                                 whether the hub answers and who is logged in
push FOLDER REPO [--public] [--dry-run]               upload a folder as a model
Refusals are one sentence: {"error": ..., "reason": ...} on stdout, exit code 1.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runners.hub import download, upload
from tuilab.contract.report import JobError

LINE_SECONDS = 5.0
"""Between two lines of progress where there is no terminal."""
Value = Mapping[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; 0 done, 1 refused with a sentence, 2 usage, 130 interrupted."""
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
    given = _parser().parse_args(arguments)
    verb: Callable[[argparse.Namespace], Value] = given.run
    try:
        value = verb(given)
    except JobError as error:
        print(json.dumps({"error": error.detail, "reason": str(error.reason)}))
        return 1
    except KeyboardInterrupt:
        return 130
    print(json.dumps(value))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runners.hub")
    verbs = parser.add_subparsers(required=True)
    for name, run in (("fetch", _fetch), ("ask", _ask)):
        one = verbs.add_parser(name)
        one.add_argument("model")
        one.add_argument("--revision")
        one.add_argument("--tokenizer", action="store_true")
        one.add_argument("--code", action="store_true")
        one.set_defaults(run=run)
    one = verbs.add_parser("file")
    one.add_argument("repo")
    one.add_argument("file")
    one.add_argument("--revision")
    one.set_defaults(run=_file)
    verbs.add_parser("login").set_defaults(run=_login)
    push = verbs.add_parser("push")
    push.add_argument("folder")
    push.add_argument("repo")
    push.add_argument("--public", action="store_true")
    push.add_argument("--dry-run", action="store_true")
    push.set_defaults(run=_push)
    return parser


def _fetch(given: argparse.Namespace) -> Value:
    part = "tokenizer" if given.tokenizer else "base"
    found = None if given.tokenizer else download.base_in_cache(given.model, given.revision)
    if found is None:
        try:
            found = download.fetch(
                given.model, given.revision, _shown(), part=part, code=given.code
            )
        finally:
            if sys.stderr.isatty():  # what is said next must not stand behind the bar
                print(file=sys.stderr)
    return {"folder": str(found.folder), **download.as_json(found)}


def _file(given: argparse.Namespace) -> Value:
    path = download.fetch_file(given.repo, given.revision, given.file)
    commit = path.parents[len(Path(given.file).parts) - 1].name
    return {"path": str(path), "commit": commit, "bytes": path.stat().st_size}


def _ask(given: argparse.Namespace) -> Value:
    part = "tokenizer" if given.tokenizer else "base"
    try:
        listing = download.ask(given.model, given.revision, part, given.code)
    except JobError:
        raise
    except Exception as error:
        raise download.told(error, given.model, given.revision) from error
    missing = max(0, listing.size - download.bytes_here(listing))
    download.fetch_config(listing)
    return {"commit": listing.commit, "bytes": listing.size, "missing": missing}


def _login(given: argparse.Namespace) -> Value:
    from huggingface_hub import HfApi

    source = download.token_source()
    if not source:
        return {"name": None, "source": ""}
    try:
        name = HfApi().whoami().get("name")
    except Exception as error:
        raise download.told(error, "your account", None) from error
    return {"name": name, "source": source}


def _push(given: argparse.Namespace) -> Value:
    return upload.push(given.folder, given.repo, given.public, given.dry_run)


def _shown() -> download.Report:
    """Draw a bar at a terminal, else write a line now and then."""
    from tqdm import tqdm

    begun, is_terminal = time.monotonic(), sys.stderr.isatty()

    def show(here: int, total: int, rate: float | None) -> None:
        columns = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) if is_terminal else 1
        took = time.monotonic() - begun
        line = tqdm.format_meter(
            here, total, took, ncols=columns - 1, unit="B", unit_scale=True, rate=rate or 0.0
        )
        begin, end = ("\r\x1b[K", "") if is_terminal else ("", "\n")
        print(f"{begin}{line}", end=end, file=sys.stderr, flush=True)

    return _seldom(show, 0.2 if is_terminal else LINE_SECONDS)


def _seldom(show: download.Report, every: float) -> download.Report:
    """Show the first, the last, and in between not more often than every so many seconds."""
    last = [-every, -1.0]

    def report(here: int, total: int, rate: float | None) -> None:
        now = time.monotonic()
        if here != last[1] and (here >= total or now - last[0] >= every):
            last[:] = [now, here]
            show(here, total, rate)

    return report


if __name__ == "__main__":
    raise SystemExit(main())
