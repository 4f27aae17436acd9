"""Knows the workers of an experiment: makes their directories, reads their inboxes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tuilab.contract import atomic, identity, worker
from tuilab.contract.identity import ExperimentRef, find_shim
from tuilab.contract.parsing import read_if_sound
from tuilab.contract.reasons import Exit
from tuilab.contract.report import EVENTS_FILE
from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec
from tuilab.contract.tail import tail_lines
from tuilab.contract.worker import (
    BEAT_FILE,
    CLOSE_FILE,
    CLOSED_FILE,
    EXIT_FILE,
    INBOX,
    LEASE_FILE,
    LOG_FILE,
    NO_BEAT,
    STOP_FILE,
    Beat,
    Lease,
    Stop,
    listed,
    read_beat,
    read_exit,
    read_lease,
    read_stop,
)
from tuilab.engine.decide.facts import Slot, Worker
from tuilab.engine.decide.phase import (
    IN_USE,
    NOBODY,
    Opinion,
    Phase,
    Sighting,
    Signs,
    Word,
    phase_of,
)
from tuilab.engine.decide.policy import Policy
from tuilab.engine.host import local, process_tree
from tuilab.engine.host.environment import worker_argv
from tuilab.engine.host.place import Known, Place
from tuilab.engine.shim import COMMAND_FILE, Command, take_lease
from tuilab.store.layout import Layout
from tuilab.store.quarantine import quarantine

_UNSEEN = Sighting(Phase.UNBORN)


@dataclass(slots=True)
class WorkerRecord:
    """What is remembered of one worker; all of it can be read again from its directory."""

    id: str
    folder: Path
    slot: int
    device: str | None = None
    code: str = ""
    given: dict[Path, int] = field(default_factory=dict)
    """Attempt directories in its inbox, with their numbers there."""
    last_number: int = 0
    last_job: str = ""
    has_served: bool = False
    idle_since: float = field(default_factory=time.monotonic)
    lease: Lease | None = None
    is_elsewhere: bool = False
    """Its processes cannot be seen from here."""
    beat: Beat | None = None
    """What its shim said last; read only of workers elsewhere."""
    stamp: tuple[int, int] | None = None
    """What tells its last sign from the one before; None before the first look."""
    signed_at: float = field(default_factory=time.monotonic)
    """Monotonic time at which its last sign was seen first."""
    opinion: Opinion = NOBODY
    has_moved: bool = False
    """It gave a sign since this engine looked first: what lies there is not of a dead one."""
    known_at: float = field(default_factory=time.monotonic)
    """Monotonic time at which this engine made or found it."""
    running_at: float | None = None
    """Monotonic time at which its place was heard first to say that it runs."""
    sighting: Sighting = _UNSEEN
    stopped_at: float | None = None
    """Monotonic time at which the intent to end it was first seen."""
    orphaned_at: float | None = None
    """Monotonic time at which its orphans were asked to end."""
    is_ended: bool = False
    """The journal has its end."""

    @property
    def seconds_left(self) -> float | None:
        """Until its place takes it away, by what was said last: all of it before it was running."""
        left = self.opinion.seconds_left
        if left is None:
            return self.opinion.wall_seconds
        return left - (time.monotonic() - self.opinion.asked_at)


class Workers:
    """The workers that matter now: those that may live, and those whose attempts are unsettled."""

    def __init__(
        self, layout: Layout, place: Place, experiment: ExperimentRef | None = None
    ) -> None:
        self.layout = layout
        self.place = place
        self.experiment = experiment
        """What its workers are marked with."""
        self.known: dict[str, WorkerRecord] = {}

    def adopt(self, needed: Iterable[str]) -> list[WorkerRecord]:
        """Read the workers directory anew after a start; returns the records of those not ended.

        ``needed`` are workers that unsettled attempts name: they are kept although they ended.
        """
        wanted = set(needed)
        folders = sorted(self.layout.workers.iterdir()) if self.layout.workers.is_dir() else []
        for folder in folders:
            if folder.is_symlink() or not folder.is_dir():
                quarantine(self.layout, folder, "is no worker's folder", time.time())
                continue
            ended = (folder / EXIT_FILE).exists()
            if folder.name not in self.known and (not ended or folder.name in wanted):
                self._read(folder)
        return list(self.known.values())

    def make(self, slot: Slot, policy: Policy, promise: str, code: str = "") -> WorkerRecord:
        """Create the directory of a new worker, with its command and an empty inbox.

        ``promise`` is the UUID of the device, whose name may mean another card after a restart;
        without one the shim may have to find a GPU, and see that it is free, where it comes up.
        """
        name = f"w{slot.index}-{uuid.uuid4().hex[:8]}"
        folder = self.layout.workers / name
        (folder / INBOX).mkdir(parents=True)
        command = Command(
            (*worker_argv(policy.runner), str(folder)),
            grace_seconds=policy.grace_seconds,
            slot=slot.index,
            device=slot.device,
            uuid=promise,
            experiment=self.experiment,
            needs_gpu=policy.needs_cuda,
            gpu_free_fraction=policy.gpu_free_fraction,
            code=code,
        )
        atomic.write_json(folder / COMMAND_FILE, asdict(command))
        record = WorkerRecord(name, folder, slot.index, slot.device, code)
        self.known[name] = record
        return record

    def give(self, record: WorkerRecord, job: str, attempt_dir: Path) -> None:
        """Put an attempt into a worker's inbox; does nothing if it is there already."""
        if attempt_dir in record.given:
            return
        number = record.last_number + 1
        worker.assign(record.folder, number, attempt_dir)
        record.given[attempt_dir] = number
        record.last_number, record.last_job = number, job

    def take_back(self, record: WorkerRecord, attempt_dir: Path) -> None:
        """Withdraw an assignment that the worker has not come to: the runner never sees it."""
        if number := record.given.pop(attempt_dir, 0):
            path = record.folder / INBOX / f"{number:06d}.json"
            path.replace(path.with_suffix(".withdrawn"))

    def close(self, record: WorkerRecord) -> None:
        """Tell a worker that nothing more will come."""
        atomic.write_json(record.folder / INBOX / CLOSE_FILE, {})

    def ask_to_stop(self, record: WorkerRecord, stop: Stop) -> None:
        """Record the intent to end a worker; jobs that are meant are added to earlier ones."""
        old = read_stop(record.folder) or stop
        jobs = tuple(sorted({*old.jobs, *stop.jobs}))
        atomic.write_json(record.folder / STOP_FILE, asdict(replace(stop, at=old.at, jobs=jobs)))

    def look(self) -> None:
        """Look at every worker that has not ended."""
        looked_at = [one for one in self.known.values() if self._has_sound_lease(one)]
        opinions = self.place.opinions([Known(one.folder, one.lease) for one in looked_at])
        for record in looked_at:
            signs = self._signs(record, opinions.get(record.id, NOBODY))
            record.sighting = phase_of(signs, self.place.fence_seconds)

    def retire(self, record: WorkerRecord) -> None:
        """Take the lease in the shim's place; one that comes later finds it taken and leaves."""
        content = {"retired": True, "by": identity.me().as_json(), "at": time.time()}
        if record.sighting.phase is Phase.UNBORN and record.opinion.why:
            content["why"] = record.opinion.why
        take_lease(record.folder, content)

    def suspend(self, record: WorkerRecord, on: bool) -> None:
        """Stop a tree where it stands, or let it go on: by signals here, elsewhere by a file."""
        if record.is_elsewhere:
            worker.mark(record.folder, worker.SUSPEND_FILE, on)
        else:
            local.suspend(record.folder, on, self._experiment_id)

    def _has_sound_lease(self, record: WorkerRecord) -> bool:
        """Read the lease of a worker that has not ended; one that is damaged is mended."""
        if record.sighting.phase is Phase.GONE:
            return False
        if record.lease is not None and (record.lease.runner or record.lease.retired):
            return True  # complete: it does not change any more
        if LEASE_FILE not in listed(record.folder):
            return True
        try:
            record.lease = read_lease(record.folder, self._experiment_id)
        except (OSError, ValueError) as error:
            if end := read_exit(record.folder):
                record.sighting = Sighting(Phase.GONE, end)
            else:
                problem = error.strerror if isinstance(error, OSError) else str(error)
                self._mend_lease(record, str(problem))
            return False
        return True

    def _signs(self, record: WorkerRecord, opinion: Opinion) -> Signs:
        """Read how it ended after its place was asked: it may have ended between the two."""
        now = time.monotonic()
        record.opinion, names = opinion, listed(record.folder)
        if opinion.word is Word.RUNNING and record.running_at is None:
            record.running_at = now
        record.is_elsewhere = opinion.word not in (Word.SEEN, Word.ORPHANED, Word.DEAD)
        if record.lease is not None and record.is_elsewhere:
            is_there = BEAT_FILE in names
            beat, stamp = read_beat(record.folder) if is_there else (None, NO_BEAT)
            if stamp != record.stamp:
                record.has_moved = record.has_moved or record.stamp not in (None, NO_BEAT)
                record.stamp, record.signed_at = stamp, now
            record.beat = beat or record.beat
            is_suspended = record.beat is not None and record.beat.is_suspended
            opinion = replace(opinion, is_suspended=is_suspended)
        return Signs(
            opinion,
            read_exit(record.folder) if EXIT_FILE in names else None,
            record.lease,
            has_beaten=record.stamp not in (None, NO_BEAT),
            has_moved=record.has_moved,
            silent=now - record.signed_at,
            waited=opinion.asked_at - record.known_at,
            running=_since(record.running_at) or 0.0,
        )

    def give_up(self, record: WorkerRecord, why: str) -> None:
        """End a worker that cannot be dealt with; its attempts are settled with ``why``."""
        self.place.cancel(record.folder, force=True)
        record.sighting = Sighting(Phase.GONE, Exit(why=why))

    def _mend_lease(self, record: WorkerRecord, problem: str) -> None:
        """Write a damaged lease again for the shim that bears the worker's marker, if one does.

        If none does the worker is gone, and what is left of its tree is ended.
        """
        why = f"lease.json cannot be read ({problem})"
        shim = find_shim(record.folder, self._experiment_id)
        tree = process_tree.members(record.folder, self._experiment_id, shim.pid) if shim else []
        runner = next(iter(tree), None)
        quarantine(self.layout, record.folder / LEASE_FILE, why, time.time())
        if shim is not None:
            found = {
                "shim": shim.as_json(),
                "runner": runner.as_json() if runner else None,
                "experiment": asdict(self.experiment) if self.experiment else None,
            }
            atomic.write_json(record.folder / LEASE_FILE, found)
            return
        gone = f"{why}, and its process is gone"
        atomic.write_json(record.folder / LEASE_FILE, {"retired": True, "why": gone})
        self.give_up(record, gone)

    @property
    def _experiment_id(self) -> str:
        return self.experiment.id if self.experiment else ""

    def seat(self, slots: Sequence[Slot]) -> None:
        """Put every living worker into a slot of its own device: the slots may be others now.

        One without a slot is put beyond them all; it gets nothing more and leaves when idle.
        """
        living = (one for one in self.known.values() if one.sighting.phase in IN_USE)
        here = sorted(living, key=lambda record: record.slot)
        free = {slot.index: slot.device for slot in slots}
        for record in here:
            if record.slot in free and free[record.slot] == record.device:
                del free[record.slot]
            else:
                record.slot = -1
        for number, record in enumerate(record for record in here if record.slot < 0):
            fitting = [index for index, device in free.items() if device == record.device]
            record.slot = fitting[0] if fitting else len(slots) + number
            free.pop(record.slot, None)

    def forget(self, name: str) -> None:
        """Drop a worker that ended and owes nothing."""
        self.known.pop(name, None)

    def describe(self, record: WorkerRecord, queue: tuple[str, ...], code: str = "") -> Worker:
        """Return the worker as a fact; ``code`` is the plan's, ages are by the monotonic clock."""
        phase = record.sighting.phase
        if queue or phase is not Phase.ALIVE:  # to wait for one's turn is not to be idle
            record.idle_since = time.monotonic()
        names = listed(record.folder)  # anew: a stop is told before what comes of it is seen
        stop = read_stop(record.folder) if STOP_FILE in names else None
        if stop is not None:
            record.stopped_at = record.stopped_at or time.monotonic()
        is_sure = record.has_moved or not record.is_elsewhere or record.lease is None
        is_open = listed(record.folder / INBOX).isdisjoint((CLOSE_FILE, CLOSED_FILE))
        return Worker(
            id=record.id,
            slot=record.slot,
            phase=phase,
            takes_work=stop is None and is_sure and is_open,
            queue=queue,
            last_job=record.last_job,
            has_served=record.has_served,
            is_of_other_code=record.code != code,
            idle_seconds=time.monotonic() - record.idle_since,
            seconds_left=record.seconds_left,
            wall_seconds=record.opinion.wall_seconds,
            silent_seconds=time.monotonic() - record.signed_at if record.is_elsewhere else 0.0,
            host=_host(record),
            why=record.opinion.why,
            is_unheard=record.opinion.word is Word.UNREACHABLE and bool(record.opinion.why),
            devices=record.beat.devices if record.beat is not None else (),
            is_suspended=record.sighting.is_suspended,
            is_held_back=worker.HOLD_FILE in names,
            orphaned_seconds=_since(record.orphaned_at),
            exit=record.sighting.exit,
            stop=stop,
            stop_seconds=_since(record.stopped_at) or 0.0,
            log=tuple(tail_lines(record.folder / LOG_FILE, 16 * 1024))
            if phase is Phase.GONE
            else (),
        )

    def _read(self, folder: Path) -> None:
        command = read_if_sound(folder / COMMAND_FILE, Command) or Command(())
        record = WorkerRecord(folder.name, folder, command.slot, command.device, command.code)
        for one in worker.assignments(folder):
            record.given[one.attempt_dir] = one.number
            record.last_number = one.number
            with suppress(SpecError):
                record.last_job = read_spec(one.attempt_dir / SPEC_FILE).job
            record.has_served = record.has_served or (one.attempt_dir / EVENTS_FILE).exists()
        names = [p.stem for p in (folder / INBOX).glob("*.withdrawn")]
        withdrawn = [int(name) for name in names if name.isdecimal()]
        record.last_number = max([record.last_number, *withdrawn])
        self.known[record.id] = record


def _host(record: WorkerRecord) -> str:
    shim = record.lease.shim if record.lease is not None else None
    return shim.host if shim is not None else record.opinion.host


def _since(moment: float | None) -> float | None:
    return None if moment is None else time.monotonic() - moment
