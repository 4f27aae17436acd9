"""Fetch the base model into the hub's cache: python -m runners.fetch SPEC

Writes snapshot.json: the commit that the branch was, and the files that are loaded. A base that is
whole in the cache costs a few looks at files; neither torch nor a hub is touched then.
"""

from __future__ import annotations

import os
import socket
import time

from runners import stop_signal
from runners.hub import download
from runners.job import Attempt, StageResult, log, main
from runners.ml.stage_settings import required
from tuilab.contract import atomic, hub
from tuilab.contract.report import JobError
from tuilab.contract.spec import BASE_COMMIT


def run(attempt: Attempt) -> StageResult:
    """Fetch what is missing, at the commit that this experiment fetched before, if it did."""
    settings = attempt.spec.settings
    model = required(settings, "model", str)
    branch = settings.get("revision")
    wanted = attempt.spec.launch.get(BASE_COMMIT) or branch
    found = download.base_in_cache(model, wanted)
    moved = ""
    if found is None:
        log(f"fetching {model} from {hub.endpoint(os.environ)}")
        with attempt.timings.part("fetch"):
            found = download.fetch(model, wanted, _report(attempt), code=bool(settings.get("code")))
        if wanted != branch:
            now = download.commit_now(model, branch)
            moved = now if now != found.commit else ""
    log(f"{model} is {found.commit} in {found.folder}")
    told = {"model": model, "revision": branch, **download.as_json(found)}
    path = attempt.directory / hub.SNAPSHOT_FILE
    atomic.write_json(path, told)
    numbers: dict[str, object] = {"bytes": found.size, "fetched_bytes": found.came}
    if moved:
        numbers[hub.MOVED] = moved
    return StageResult((path,), {**numbers, "commit": found.commit}, {"commit": found.commit})


def bring(attempt: Attempt) -> None:
    """Fetch the base of a job that loads one, where a machine has a cache of its own without it.

    It comes at the commit that the experiment's fetch found; one that is here costs a few looks.
    """
    base, commit = attempt.spec.settings["base"], attempt.spec.launch[BASE_COMMIT]
    model = base["model"]
    if hub.fetched(model, commit, os.environ) is not None:
        return
    host = socket.gethostname()
    log(f"fetching {model} from {hub.endpoint(os.environ)} into the cache of {host}")
    try:
        with attempt.timings.part("fetch"):
            download.fetch(model, commit, _report(attempt), code=bool(base["trust_remote_code"]))
    except JobError as error:
        raise JobError(error.reason, f"on {host}: {error.detail}", error.metrics) from error
    attempt.reporter.progress(0, 1, part="load")  # what is to come is no download any more


def _report(attempt: Attempt) -> download.Report:
    """Return what writes bytes into the events; a silent hub leaves the events silent too."""
    last = [-1, 0.0]

    def report(here: int, total: int, rate: float | None) -> None:
        stop_signal.check()
        now = time.monotonic()
        if here == last[0] or (here < total and now - last[1] < 0.1):
            return
        last[:] = [here, now]
        attempt.reporter.event("progress", step=here, of=total, part="bytes", rate=rate)

    return report


if __name__ == "__main__":
    raise SystemExit(main("fetch"))
