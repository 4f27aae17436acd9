"""Makes experiment folders as engines, runners and pods leave them, by a seed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cli.small_grid import CONFIG
from tests.store.scene import DEAD, ELSEWHERE, Scene, fold_journal
from tuilab.contract.identity import Identity
from tuilab.contract.report import LOG_FILE
from tuilab.contract.worker import INBOX
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.jobs import Plan
from tuilab.store.attempts import Stop, write_stop
from tuilab.store.engine_file import write_heartbeat
from tuilab.store.replan import plan_with, read_config

TWO_SOURCES = (
    CONFIG.replace('sources = ["villain"]', 'sources = ["villain", "comedian"]')
    .replace('panel = ["villain", ', 'panel = ["villain", "comedian", ')
    .replace("workers = 1", "workers = 2")
)
LONG_AGO, JUST_NOW = 6000.0, 20.0
"""Seconds: an attempt on another host counts as lost after the first, and not after the second."""


@cache
def whole_plan(text: str) -> Plan:
    """The plan of a config; its jobs owe no artefacts, so that ours will do."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "micro.toml"
        path.write_text(text)
        plan = plan_with(read_config(path).config)
    return replace(plan, settings={name: {} for name in plan.settings})


@dataclass
class Folder:
    """One experiment, and the process that stands for its living workers and engine."""

    scene: Scene
    living: Identity
    workers: int = 0

    def worker(self, who: Identity) -> str:
        """Make a worker directory; its name is that of no real worker."""
        self.workers += 1
        name = f"agreement-{self.workers}"
        self.scene.worker(name, who)
        (self.scene.layout.worker_dir(name) / INBOX).mkdir()
        return name

    def begin(self, job: str, who: Identity, seconds_ago: float = JUST_NOW) -> str:
        """Claim an attempt for a new worker and let it begin; the engine has seen both."""
        self.scene.clock = time.time() - seconds_ago
        worker = self.worker(who)
        self.scene.claim(job, worker)
        self.scene.begin(job)
        return worker


Ending = Callable[[Folder, str], None]


def _done(folder: Folder, job: str) -> None:
    folder.begin(job, DEAD)
    outcome = folder.scene.outcome(job)
    folder.scene.settle(job, **folder.scene.told_by(outcome))


def _failed(folder: Folder, job: str) -> None:
    folder.begin(job, DEAD)
    folder.scene.outcome(job, "failed", reason="nan-loss", detail="step 7")
    folder.scene.settle(job, "failed", reason="nan-loss", detail="step 7")


def _suspect(folder: Folder, job: str) -> None:
    folder.begin(job, DEAD)
    folder.scene.outcome(job)
    folder.scene.settle(job, "suspect", reason="data-mismatch")


def _stopped(folder: Folder, job: str) -> None:
    folder.begin(job, DEAD)
    write_stop(folder.scene.directory(job), Stop("me", time.time()))
    folder.scene.settle(job, "stopped", by="me")


def _lost(folder: Folder, job: str) -> None:
    folder.begin(job, DEAD)
    folder.scene.settle(job, "lost", reason="killed")


SETTLED: dict[str, Ending] = {
    "done": _done,
    "failed": _failed,
    "suspect": _suspect,
    "stopped": _stopped,
    "lost": _lost,
}
"""Ends that an engine has recorded."""


def _done_unsettled(folder: Folder, job: str) -> None:
    folder.begin(job, folder.living)
    folder.scene.outcome(job)


def _done_and_dead(folder: Folder, job: str) -> None:
    folder.begin(job, DEAD)
    folder.scene.outcome(job)


def _failed_unsettled(folder: Folder, job: str) -> None:
    folder.begin(job, DEAD)
    folder.scene.outcome(job, "failed", reason="gpu-oom", detail="2.3 GiB")


def _broken_unsettled(folder: Folder, job: str) -> None:
    folder.begin(job, DEAD)
    folder.scene.outcome(job)
    (folder.scene.directory(job) / "result.bin").write_bytes(b"half")


def _stopped_unsettled(folder: Folder, job: str) -> None:
    folder.begin(job, DEAD)
    write_stop(folder.scene.directory(job), Stop("me", time.time()))


def _dead_without_a_word(folder: Folder, job: str) -> None:
    folder.begin(job, DEAD)


def _killed(folder: Folder, job: str) -> None:
    worker = folder.begin(job, DEAD)
    folder.scene.end_worker(worker, 137)


def _out_of_memory(folder: Folder, job: str) -> None:
    worker = folder.begin(job, DEAD)
    folder.scene.end_worker(worker, 137, oom_kills=1)


def _out_of_gpu_memory(folder: Folder, job: str) -> None:
    worker = folder.begin(job, DEAD)
    (folder.scene.directory(job) / LOG_FILE).write_text("CUDA out of memory\n")
    folder.scene.end_worker(worker, 1)


def _never_begun(folder: Folder, job: str) -> None:
    folder.scene.clock = time.time() - JUST_NOW
    folder.scene.claim(job, folder.worker(DEAD))


def _never_came_up(folder: Folder, job: str) -> None:
    folder.scene.clock = time.time() - JUST_NOW
    folder.scene.claim(job, "agreement-without-a-lease")


def _silent_elsewhere(folder: Folder, job: str) -> None:
    folder.begin(job, ELSEWHERE, LONG_AGO)


def _given_elsewhere_long_ago(folder: Folder, job: str) -> None:
    folder.scene.clock = time.time() - LONG_AGO
    folder.scene.claim(job, folder.worker(ELSEWHERE))


OVER: dict[str, Ending] = {
    "done, unsettled": _done_unsettled,
    "done and dead, unsettled": _done_and_dead,
    "failed, unsettled": _failed_unsettled,
    "broken, unsettled": _broken_unsettled,
    "stopped, unsettled": _stopped_unsettled,
    "dead without a word": _dead_without_a_word,
    "killed": _killed,
    "out of memory": _out_of_memory,
    "out of GPU memory": _out_of_gpu_memory,
    "never begun": _never_begun,
    "never came up": _never_came_up,
    "silent elsewhere": _silent_elsewhere,
    "given elsewhere long ago": _given_elsewhere_long_ago,
}
"""Ends that no engine has recorded."""


def _running(folder: Folder, job: str) -> None:
    folder.begin(job, folder.living)


def _begun_unrecorded(folder: Folder, job: str) -> None:
    folder.scene.clock = time.time() - JUST_NOW
    folder.scene.claim(job, folder.worker(folder.living))
    folder.scene.begin(job, tell=False)


def _given(folder: Folder, job: str) -> None:
    folder.scene.clock = time.time() - JUST_NOW
    folder.scene.claim(job, folder.worker(folder.living))


def _talking_elsewhere(folder: Folder, job: str) -> None:
    folder.begin(job, ELSEWHERE)


def _given_elsewhere(folder: Folder, job: str) -> None:
    folder.scene.clock = time.time() - JUST_NOW
    folder.scene.claim(job, folder.worker(ELSEWHERE))


UNDER_WAY: dict[str, Ending] = {
    "running": _running,
    "begun, unrecorded": _begun_unrecorded,
    "given": _given,
    "talking elsewhere": _talking_elsewhere,
    "given elsewhere": _given_elsewhere,
}
"""Attempts on which somebody works."""
OPEN = OVER | UNDER_WAY


def random_folder(root: Path, seed: int, living: Identity) -> Folder:
    """Let an engine work for a while and then be gone: any end, recorded or not, on any job."""
    chance = random.Random(seed)
    folder = Folder(Scene(root, whole_plan(TWO_SOURCES), TWO_SOURCES), living)
    names = list(folder.scene.plan.by_id)
    folder.scene.want()
    if chance.random() < 0.3:
        folder.scene.journal.append("unwanted", jobs=chance.sample(names, 5), by="me")
    how_far = chance.randrange(1, len(names))
    for job in names[:how_far]:
        for _ in range(chance.choice((1, 1, 1, 2))):
            kind = chance.choices(list(SETTLED), weights=(8, 1, 1, 1, 1))[0]
            SETTLED[kind](folder, job)
    for job in chance.sample(names, chance.choice((1, 2, 3, 5))):
        OPEN[chance.choice(list(OPEN))](folder, job)
    if chance.random() < 0.3:
        folder.scene.want(*chance.sample(names, 3))
    if chance.random() < 0.2:
        folder.scene.journal.append("held", jobs=chance.sample(names, 2), why="by the test")
    if chance.random() < 0.2:
        folder.scene.journal.append("ordered", jobs=names[-2:])
    return folder


def one_open(root: Path, ending: Ending, living: Identity, place: int) -> Folder:
    """A source that is done up to one job in plan order, which is left as ``ending`` leaves it."""
    folder = Folder(Scene(root, whole_plan(CONFIG), CONFIG), living)
    names = list(folder.scene.plan.by_id)
    folder.scene.want()
    for job in names[:place]:
        _done(folder, job)
    ending(folder, names[place])
    return folder


def keep_fold(folder: Folder) -> None:
    """Write folded.bin as an engine does while it lives; let it live."""
    beat(folder)
    fold_journal(folder.scene.layout)


def beat(folder: Folder, state: EngineState = EngineState.RUNNING) -> None:
    """Let an engine live."""
    view = EngineView(state=state, workers=2)
    write_heartbeat(folder.scene.layout, folder.living, "token", view, time.time())


def cut_everywhere(folder: Folder, step: int = 1) -> Iterator[int]:
    """Cut the journal behind every ``step``-th line from the end; put it back in the end."""
    path = folder.scene.layout.journal
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in range(len(lines) - 1, -1, -step):
        path.unlink()  # a new inode, as after a restore
        path.write_bytes(b"".join(lines[:kept]))
        yield kept
    path.write_bytes(b"".join(lines))
