"""Write one cell's merged model for other programs: python -m runners.export MERGE_ATTEMPT OUT

MERGE_ATTEMPT is the directory of a finished merge attempt. The model is rebuilt from the adapters,
compared with the merge record, and written to OUT, which must not exist yet.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from runners import upstream
from tuilab.contract.reasons import Reason
from tuilab.contract.report import DONE, JobError, read_outcome
from tuilab.contract.spec import SPEC_FILE, SpecError, read_spec


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 written, 1 refused (one sentence on stderr), 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m runners.export")
    parser.add_argument("merge_attempt", type=Path, help="directory of a finished merge attempt")
    parser.add_argument("out", type=Path, help="a directory that does not exist yet")
    given = parser.parse_args(arguments)
    try:
        written = export(given.merge_attempt.resolve(), given.out)
    except JobError as error:
        print(f"error: {error.detail}", file=sys.stderr)
        return 1
    except (SpecError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"out": str(given.out), "files": [str(path) for path in written]}))
    return 0


def export(attempt_dir: Path, out: Path) -> list[Path]:
    """Rebuild the merged model, verify it, write it; return the files."""
    if out.exists():
        raise JobError(Reason.CONFIG, f"{out} exists: name a new directory")
    spec = read_spec(attempt_dir / SPEC_FILE)
    outcome = read_outcome(attempt_dir)
    if spec.stage != "merge" or outcome is None or outcome.status != DONE:
        raise JobError(Reason.UPSTREAM, f"{attempt_dir} is not a finished merge attempt")
    inputs = upstream.find(spec, attempt_dir)
    # These take seconds to import: what is refused above need not wait for them.
    from runners.ml import cell, merged_checkpoint, stage_settings
    from runners.ml.model_cache import ModelCache

    model = ModelCache().model(stage_settings.base(spec.pinned))
    found = cell.read(spec.pinned, inputs, model, with_marker=True)
    record = upstream.Upstream(spec.job, attempt_dir, outcome)
    cell.refuse_other_merge(model, found, {"merge": [record]})
    return merged_checkpoint.write(model, found, out)


if __name__ == "__main__":
    raise SystemExit(main())
