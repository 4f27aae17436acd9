"""The engine as a program: python -m tuilab.engine ROOT [--go] [--takeover] [--detach]"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from types import TracebackType

EXIT_HELD = 4
"""Another engine holds the experiment."""


def main() -> int:
    """Run the engine of one experiment to its end."""
    parser = argparse.ArgumentParser(prog="python -m tuilab.engine", description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--go", action="store_true", help="continue queued work")
    parser.add_argument("--takeover", action="store_true", help="fence a living engine")
    parser.add_argument("--on", default="", help="where workers run, if not as the plan says")
    parser.add_argument("--detach", action="store_true", help="leave the session of the caller")
    parser.add_argument("--tell", type=int, help="descriptor that hears why it does not start")
    chosen = parser.parse_args()
    sys.excepthook = _crash
    if chosen.detach and os.fork() > 0:
        os._exit(0)  # the child is an orphan now, and leads no session that could hang up
    if chosen.detach:
        os.setsid()
    return _run(chosen.root.absolute(), chosen.go, chosen.takeover, chosen.tell, chosen.on)


def _run(root: Path, go: bool, takeover: bool, tell: int | None = None, on: str = "") -> int:
    from tuilab.engine.loop import Engine
    from tuilab.engine.startup import open_experiment
    from tuilab.engine.trouble import is_of_the_machine, sentence
    from tuilab.store.experiment_id import CopyError
    from tuilab.store.lease import FencedError, LeaseHeldError
    from tuilab.store.plan_file import PlanFileError
    from tuilab.store.requests import pending
    from tuilab.store.volume import why_no_room

    try:
        opened = open_experiment(root, go, takeover, on)
    except LeaseHeldError as error:
        _refuse(str(error), tell)
        return EXIT_HELD
    except (CopyError, PlanFileError) as error:
        _refuse(str(error), tell)
        return 1
    except Exception as error:
        _refuse((is_of_the_machine(error) and why_no_room(root)) or sentence(error), tell)
        return 1
    if tell is not None:
        os.close(tell)
    try:
        # Whoever left a wish before the lease was given back saw an engine, and started none.
        while Engine(opened).run() and pending(opened.layout):
            opened = open_experiment(root, go, takeover=False, on=on)
    except LeaseHeldError:
        return 0
    except FencedError as error:
        print(f"fenced: {error}; its workers continue", file=sys.stderr, flush=True)
        return EXIT_HELD
    return 0


def _crash(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Print a traceback into the log as usual, without what looks like a secret."""
    from tuilab.contract.foreign import redact

    print(redact("".join(traceback.format_exception(kind, error, at))), file=sys.stderr)


def _refuse(why: str, tell: int | None) -> None:
    """Say why no engine starts: to whoever asked for it, and to the log, whose disk may be full."""
    if tell is not None:
        os.write(tell, why.encode())
        os.close(tell)
    with suppress(OSError):
        print(f"error: {why}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
