"""The engine as a program: python -m tuilab.engine ROOT [--go] [--takeover] [--detach]"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

EXIT_HELD = 4
"""Another engine holds the experiment."""


def main() -> int:
    """Run the engine of one experiment to its end."""
    parser = argparse.ArgumentParser(prog="python -m tuilab.engine", description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--go", action="store_true", help="continue queued work")
    parser.add_argument("--takeover", action="store_true", help="fence a living engine")
    parser.add_argument("--detach", action="store_true", help="leave the session of the caller")
    chosen = parser.parse_args()
    if chosen.detach and os.fork() > 0:
        os._exit(0)  # the child is an orphan now, and leads no session that could hang up
    if chosen.detach:
        os.setsid()
    return _run(chosen.root.absolute(), chosen.go, chosen.takeover)


def _run(root: Path, go: bool, takeover: bool) -> int:
    from tuilab.engine.loop import Engine
    from tuilab.engine.startup import open_experiment
    from tuilab.engine.trouble import sentence
    from tuilab.store.lease import FencedError, LeaseHeldError
    from tuilab.store.plan_file import PlanFileError
    from tuilab.store.requests import pending

    try:
        opened = open_experiment(root, go, takeover)
    except LeaseHeldError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return EXIT_HELD
    except PlanFileError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    except Exception as error:
        print(f"error: {sentence(error)}", file=sys.stderr, flush=True)
        return 1
    try:
        # Whoever left a wish before the lease was given back saw an engine, and started none.
        while Engine(opened).run() and pending(opened.layout):
            opened = open_experiment(root, go, takeover=False)
    except LeaseHeldError:
        return 0
    except FencedError as error:
        print(f"fenced: {error}; its workers go on", file=sys.stderr, flush=True)
        return EXIT_HELD
    return 0


if __name__ == "__main__":
    sys.exit(main())
