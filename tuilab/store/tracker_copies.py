"""Lists which attempts lack a whole copy in the tracker; reads, and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilab.contract.report import EVENTS_FILE
from tuilab.contract.spec import SPEC_FILE, Spec, SpecError, read_spec
from tuilab.contract.tail import sequence_of, tail_lines
from tuilab.contract.tracking import ONLINE, TRACKER, CopyState, Order, read_state, run_id
from tuilab.grid.states import LIVE
from tuilab.store.reader import Reader

_PROJECT = "tuilab"


@dataclass(frozen=True, slots=True)
class Lacking:
    """One attempt that is to be copied (again)."""

    job: str
    attempt: int
    why: str
    order: Order


def lacking(
    reader: Reader, wishes: Mapping[str, str] | None = None, redo: bool = False
) -> list[Lacking]:
    """Return the ended attempts without a whole copy, in plan order; all of them with ``redo``.

    ``wishes`` (project, entity, mode) win over what the attempt was told. The reader must have
    polled: an attempt that runs is left to its own runner.
    """
    found: list[Lacking] = []
    for job in reader.plan.jobs:
        for attempt in reader.of(job.id).attempts:
            if attempt.verdict in LIVE:
                continue
            folder = reader.layout.attempt_dir(job.id, attempt.number)
            found += _lacking(reader, folder, wishes or {}, redo)
    return found


def _lacking(
    reader: Reader, folder: Path, wishes: Mapping[str, str], redo: bool
) -> Iterator[Lacking]:
    lines = reversed(tail_lines(folder / EVENTS_FILE))
    last = next(filter(None, map(sequence_of, lines)), 0)
    try:
        spec = read_spec(folder / SPEC_FILE)
    except SpecError:
        return
    if last == 0:  # it never began: there is nothing to copy
        return
    order = _order(reader, folder, spec, wishes)
    why = _why(read_state(order.folder, run_id(order.group, spec)), order, last)
    if why or redo:
        yield Lacking(spec.job, spec.attempt, why or "asked for", order)


def _order(reader: Reader, folder: Path, spec: Spec, wishes: Mapping[str, str]) -> Order:
    asked: dict[str, Any] = {
        **(reader.plan.resources.get(TRACKER) or {}),
        **(spec.launch.get(TRACKER) or {}),
        **wishes,
    }
    return Order(
        attempt_dir=folder.absolute(),
        folder=reader.layout.tracker.absolute(),
        project=str(asked.get("project") or _PROJECT),
        group=str(asked.get("group") or reader.plan.experiment),
        mode=str(asked.get("mode") or ONLINE),
        entity=asked.get("entity"),
    )


def _why(state: CopyState | None, order: Order, last: int) -> str:
    if state is None:
        return "it was never copied"
    if state.problem:
        return state.problem
    if not state.is_complete or state.copied < last:
        return "the copy broke off"
    is_elsewhere = state.mode != order.mode or not state.run.startswith(f"{order.project}/")
    return f"its copy is {state.mode} in {state.run.partition('/')[0]}" if is_elsewhere else ""
