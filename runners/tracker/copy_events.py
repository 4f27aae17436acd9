"""Copies attempts into the tracker: python -m runners.tracker.copy_events [--follow] < ORDERS

Reads one order per line and copies them in turn, each until the ``finished`` event, a next order,
or the end of the orders. Prints one JSON line per copy. With ``--follow`` it runs beside a live
runner: at low priority, ignoring a SIGTERM that is meant for the runner, and ending soon after it.
Exit code 0 when all copies are complete, 1 when not.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from tuilab.contract.foreign import clean
from tuilab.contract.report import EVENTS_FILE, Outcome, read_outcome
from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec
from tuilab.contract.tail import JsonlFollower
from tuilab.contract.tracking import CopyState, Order, read_order, read_state, run_id, write_state

if TYPE_CHECKING:
    from runners.tracker.wandb_run import WandbRun

POLL_SECONDS = 0.5
OUTCOME_SECONDS = 5.0
"""The outcome comes right after the last event, unless the runner dies between the two."""
LEAVE_SECONDS = 120.0
"""How long a copy may take once its runner is gone."""
_NICE = 10


class Orders:
    """The orders on stdin, read ahead by a thread."""

    def __init__(self, follows: bool) -> None:
        self._follows = follows
        self._pending: queue.Queue[Order | None] = queue.Queue()
        self._parent = os.getppid()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            try:
                self._pending.put(read_order(line))
            except ValueError as error:
                print(error, file=sys.stderr, flush=True)
        self._pending.put(None)
        if self._follows:
            time.sleep(LEAVE_SECONDS)
            os._exit(1)

    def next(self) -> Order | None:
        """Wait for the next order; None when there will be none."""
        while True:
            try:
                return self._pending.get(timeout=POLL_SECONDS)
            except queue.Empty:
                # A forked child of the runner may hold the pipe open when the runner is gone.
                if self.is_orphaned:
                    return None

    @property
    def is_over(self) -> bool:
        """True once another order has come, or no more will."""
        return not self._pending.empty() or self.is_orphaned

    @property
    def is_orphaned(self) -> bool:
        """True once the process that started this one is gone."""
        return os.getppid() != self._parent


def main(arguments: list[str] | None = None) -> int:
    """Copy everything ordered; 0 when every copy is complete."""
    follows = "--follow" in (sys.argv[1:] if arguments is None else arguments)
    if follows:
        os.nice(_NICE)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders, all_complete, problem = Orders(follows), True, ""
    while (order := orders.next()) is not None:
        state = _not_tried(order, problem) if problem else copy(order, orders)
        all_complete &= state.is_complete
        if not follows and not state.place:  # the next one would not open either
            problem = state.problem
        print(json.dumps(asdict(state)), flush=True)
        if follows and state.problem and state.place:
            break  # the library's own process died; only a new program gets a new one
    return 0 if all_complete else 1


def copy(order: Order, orders: Orders) -> CopyState:
    """Copy one attempt to its end; what the tracker raises goes into the state."""
    try:
        spec = read_spec(order.attempt_dir / SPEC_FILE)
    except SpecError as error:
        return CopyState(f"{order.project}/?", order.mode, problem=str(error))
    run = run_id(order.group, spec)
    state = CopyState(f"{order.project}/{run}", order.mode)
    try:
        from runners.tracker.wandb_run import WandbRun

        copied = WandbRun(order, spec, run)
        state = replace(state, place=copied.place)
        _keep(order, run, state)
        ended = _follow(copied, order, orders)
        copied.close(_outcome(order, ended))
        state = replace(state, copied=copied.copied, is_complete=True)
    except Exception as error:
        state = replace(state, problem=explain(error))
        before = read_state(order.folder, run)
        if not state.place and before is not None and before.is_complete:
            return state  # the complete copy elsewhere stays recorded
    _keep(order, run, state)
    return state


def explain(error: Exception) -> str:
    """Return one line on what the tracker did not do, and what helps if that is known."""
    if isinstance(error, ImportError) and error.name == "wandb":
        return "wandb is not installed: pip install 'tuilab[wandb]'"
    text = clean(" ".join(str(error).split()), 300)
    if "API key" in text:
        return "wandb has no key: set WANDB_API_KEY where the engine starts, or use mode offline"
    return f"{type(error).__name__}: {text}"


def _follow(copied: WandbRun, order: Order, orders: Orders) -> bool:
    """Forward events until the attempt has ended; True if its last event says so."""
    follower = JsonlFollower(order.attempt_dir / EVENTS_FILE)
    while True:
        is_over = orders.is_over  # read first: what is written by now belongs to this attempt
        for event in follower.read():
            copied.forward(event)
            if event.get("kind") == "finished":
                return True
        if is_over:
            return False
        time.sleep(POLL_SECONDS)


def _outcome(order: Order, is_finished: bool) -> Outcome | None:
    deadline = time.monotonic() + (OUTCOME_SECONDS if is_finished else 0.0)
    while (found := read_outcome(order.attempt_dir)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _keep(order: Order, run: str, state: CopyState) -> None:
    try:
        write_state(order.folder, run, state)
    except OSError as error:
        print(f"{order.folder}: {error}", file=sys.stderr, flush=True)


def _not_tried(order: Order, problem: str) -> CopyState:
    return CopyState(f"{order.project}/{order.attempt_dir.name}", order.mode, problem=problem)


if __name__ == "__main__":
    raise SystemExit(main())
