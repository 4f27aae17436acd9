"""Finds the jobs that are done with nothing to say, by columns of hashes; pure.

Nearly all jobs of a grid that is done are so, and as objects their states take seconds. What is
plain, and what its status is, ``grid/states.py`` says; of every other job it derives the state.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from itertools import compress, repeat

from tuilab.grid.jobs import Plan
from tuilab.grid.packed_evidence import (
    BrokenBlockError,
    EvidenceByJob,
    input_text,
    mark_of,
    unpacked,
)
from tuilab.grid.stages import OWN_STAGES, Stage
from tuilab.grid.states import JobStatus, plain_status

StatusOf = Callable[[str], JobStatus]
"""Derives the status of a job."""


class PlainResults:
    """Which jobs of a plan are plain and current; what they say stays as it was, to be asked for.

    All by the place of a job in the plan.
    """

    def __init__(self, plan: Plan, is_empty: bool = False) -> None:
        self._ids, self._stage_at = plan.table.ids, plan.table.stage_at
        self.is_plain = bytearray(len(self._ids))
        """1 where it was when all were looked at."""
        count = 0 if is_empty else len(self._ids)
        self.numbers: list[str] = [""] * count
        """What each measured, as JSON."""
        self.attempts = array("I", bytes(4 * count))
        """Numbers of the attempts."""
        self.seconds = array("d", bytes(8 * count))
        """How long each took."""
        self._blocks: list[bytes] = []
        self._block_at = array("I", bytes(4 * count))

    def status(self, place: int) -> JobStatus:
        """Return the status of the plain job at a place, as it was when all were looked at."""
        job = self._ids[place]
        known = unpacked(self._blocks[self._block_at[place]], job)
        return plain_status(job, self._stage_at(place), known)

    def places(self) -> list[int]:
        """Return the places of those that are plain, in plan order."""
        return list(compress(range(len(self.is_plain)), self.is_plain))

    def _take(self, plan: Plan, evidence: EvidenceByJob, status: StatusOf) -> None:
        prints, places = plan.table.prints, plan.places
        outputs, inputs = list(self.numbers), list(self.numbers)
        for block, rows in evidence.rows():
            for job, number, seconds, fingerprint, output, mark, numbers in rows:
                place = places.get(job)
                if place is not None and fingerprint == prints[place]:
                    outputs[place], inputs[place] = output, mark
                    self._block_at[place] = len(self._blocks)
                    self.attempts[place], self.seconds[place] = int(number), float(seconds)
                    self.numbers[place] = "" if numbers == "{}" else numbers
            self._blocks.append(block)
        if not self.numbers:
            return
        table, rank = plan.table, {stage: at for at, stage in enumerate(OWN_STAGES)}
        order = [rank.get(kind.stage, -1) for kind in table.kinds]
        shared = _Shared(table.epochs, status)
        runs = [one for one in table.runs if order[one[0]] >= 0 and table.seeds[one[1]] is not None]
        for run in sorted(runs, key=lambda one: order[one[0]]):
            self._take_run(plan, outputs, inputs, run, shared)

    def _take_run(
        self,
        plan: Plan,
        outputs: Sequence[str],
        inputs: Sequence[str],
        of: tuple[int, int],
        shared: _Shared,
    ) -> None:
        """Look at the jobs of one kind and seed, whose parents have been looked at."""
        table, (kind, seed) = plan.table, of
        number = table.seeds[seed]
        run = [
            at
            for at in table.runs[of]
            if inputs[at] and table.epochs[table.of_epoch[at]] is not None
        ]
        epochs = [table.of_epoch[place] for place in run]
        columns = []
        for parent in table.kinds[kind].parents:
            if parent.endswith("@#"):
                names = [f"{parent[:-1]}{table.epochs[epoch]}#{number}" for epoch in epochs]
                above = [plan.places[name] for name in names]
                hashed = [outputs[at] if self.is_plain[at] else "" for at in above]
                columns.append(list(map(input_text, names, hashed)))
            else:
                name = f"{parent}{number}" if parent.endswith("#") else parent
                texts = shared.inputs(name)
                columns.append([texts[epoch] for epoch in epochs])
        reads = zip(*columns, strict=True) if columns else repeat((), len(run))
        for place, read in zip(run, reads, strict=True):
            if "" not in read and inputs[place] == mark_of(read):
                self.is_plain[place] = 1


class _Shared:
    """What the jobs of an epoch are to have read of a parent that they share."""

    def __init__(self, epochs: Sequence[int | None], status: StatusOf) -> None:
        self._epochs, self._status = epochs, status
        self._known: dict[str, list[str]] = {}

    def inputs(self, parent: str) -> list[str]:
        """Return the text of that input by the index of the epoch, "" where the parent is odd."""
        if parent not in self._known:
            self._known[parent] = [input_text(parent, made) for made in self._made(parent)]
        return self._known[parent]

    def _made(self, parent: str) -> list[str]:
        status = self._status(parent)
        result = status.result
        if result is None or result.stale or result.words or status.accepted:
            return [""] * len(self._epochs)
        if status.stage is not Stage.CONVERGE:
            return [result.attempt.output_hash] * len(self._epochs)
        kept = [[one.checkpoint(epoch) for one in result.usable] for epoch in self._epochs]
        return [next(filter(None, hashes), "") for hashes in kept]


def plain_results(plan: Plan, evidence: EvidenceByJob, status: StatusOf) -> PlainResults:
    """Look at all that is known; ``status`` derives that of a job that cells share."""
    for _ in range(2):
        found = PlainResults(plan, is_empty=not evidence)
        try:
            found._take(plan, evidence, status)
        except BrokenBlockError:
            continue
        return found
    return PlainResults(plan, is_empty=True)
