"""Runs one attempt: reads its spec, runs its stage, and always leaves an outcome."""

from __future__ import annotations

import errno
import importlib
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from runners import environment, faults, stop_signal
from tuilab.contract import atomic
from tuilab.contract.reasons import Reason
from tuilab.contract.report import (
    DONE,
    FAILED,
    LOG_FILE,
    OUTCOME_FILE,
    JobError,
    Outcome,
    Reporter,
    describe,
    peak_host_bytes,
    read_outcome,
)
from tuilab.contract.spec import BASE_COMMIT, SPEC_FILE, Spec, SpecError, read_spec

if TYPE_CHECKING:
    from runners.ml.model_cache import ModelCache

STAGES = (
    "fetch",
    "data",
    "converge",
    "train",
    "merge",
    "eval",
    "cosine",
    "score",
    "choices",
    "judge",
    "inspect",
)
WITHOUT_MODEL = frozenset({"fetch", "score"})
EXIT_DONE, EXIT_FAILED, EXIT_BAD_SPEC = 0, 1, 2


@dataclass(slots=True)
class Timings:
    """Seconds by part of a job; time in a nested part counts for that part only."""

    seconds: dict[str, float] = field(default_factory=dict)
    _nested: list[float] = field(default_factory=list)
    """Per open part: the seconds its nested parts took."""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the block under ``name``."""
        start = time.monotonic()
        self._nested.append(0.0)
        try:
            yield
        finally:
            spent = time.monotonic() - start
            own = spent - self._nested.pop()
            if self._nested:
                self._nested[-1] += spent
            self.seconds[name] = round(self.seconds.get(name, 0.0) + own, 4)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a stage function is given."""

    spec: Spec
    directory: Path
    reporter: Reporter
    cache: ModelCache
    timings: Timings
    tracked: Callable[[], Mapping[str, Any]] = dict
    """Returns, at the end, which run of a tracker holds the copy."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The resolved settings of the stage, its base at the commit that was fetched."""
        return self.spec.pinned

    def progress(self, part: str) -> Callable[[int, int], None]:
        """Return what reports (done, of) of a part, and stops the job when it is asked to."""

        def report(done: int, of: int) -> None:
            self.reporter.progress(done, of, part=part)
            stop_signal.check()

        return report


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage function returns once it has checked it."""

    artefacts: tuple[Path, ...]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)


def main(stage: str) -> int:
    """``python -m runners.<stage> SPEC_JSON``: one job, 0 done, 1 failed, 2 bad spec."""
    if len(sys.argv) != 2:
        print(f"usage: python -m runners.{stage} SPEC_JSON", file=sys.stderr)
        return EXIT_BAD_SPEC
    path = Path(sys.argv[1]).resolve()
    try:
        spec = read_spec(path)
        if spec.stage != stage:
            raise SpecError(f"{path}: is a spec of {spec.stage}, not of {stage}")
        if path.name != SPEC_FILE:
            raise SpecError(f"{path}: must be called {SPEC_FILE}, inside its attempt directory")
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_SPEC
    stop_signal.listen()
    with log_into(path.parent) as terminal:
        outcome = run_attempt(path.parent, spec, cache_for(stage, new_cache))
        print(_verdict(outcome), file=terminal)
    return EXIT_DONE if outcome.status == DONE else EXIT_FAILED


class NoModel:
    """Stands for the model cache in a stage that loads no model, so that torch is not imported."""

    engines: Mapping[str, Any] = MappingProxyType({})

    def after_failure(self) -> None:
        """Do nothing: there is nothing to bring back into a known state."""


def cache_for(stage: str, make: Callable[[], ModelCache]) -> ModelCache:
    """Return the model cache of ``make``, which imports torch, for a stage that loads a model."""
    return cast("ModelCache", NoModel()) if stage in WITHOUT_MODEL else make()


def new_cache() -> ModelCache:
    """Return an empty model cache; imports torch."""
    from runners.ml.model_cache import ModelCache

    return ModelCache()


def run_attempt(directory: Path, spec: Spec, cache: ModelCache) -> Outcome:
    """Run one attempt to its outcome; one that has an outcome is not run again."""
    if (directory / OUTCOME_FILE).exists():
        finished = read_outcome(directory)
        assert finished is not None, "an outcome that exists can be read"
        return finished
    with Reporter(directory, spec) as reporter:
        log(f"{spec.job} attempt {spec.attempt} begins, pid {os.getpid()}")
        tracked = _begin_tracking(spec, directory, reporter)
        attempt = Attempt(spec, directory, reporter, cache, Timings(), tracked)
        try:
            outcome = _publish(attempt, _run_with_memory(attempt))
        except Exception as error:
            outcome = _fail(attempt, error)
            cache.after_failure()
        log(_verdict(outcome))
    return outcome


def _begin_tracking(
    spec: Spec, directory: Path, reporter: Reporter
) -> Callable[[], Mapping[str, Any]]:
    """Start copying the events to a tracker, if the spec names one.

    Imported by name, as stages are: a tracker affects no result, so it is in no code version.
    """
    if "tracker" not in spec.launch:
        return dict
    sidecar = importlib.import_module("runners.tracker.sidecar")
    begin: Callable[..., Callable[[], Mapping[str, Any]]] = sidecar.begin
    return begin(spec, directory, reporter)


def _run_with_memory(attempt: Attempt) -> StageResult:
    """Run the stage; if a sampling engine leaves it too little memory, end that and run again.

    An engine started later leaves free what the stage was seen to need.
    """
    try:
        return _run_stage(attempt)
    except Exception as error:
        if not attempt.cache.engines or explain(error)[0] is not Reason.GPU_OOM:
            raise
    note = "too little GPU memory beside the sampling engine: stopping it, the stage runs again"
    attempt.reporter.note(note)
    log(note)
    attempt.cache.after_failure()
    return _run_stage(attempt)


def _run_stage(attempt: Attempt) -> StageResult:
    if attempt.spec.stage not in STAGES:
        raise JobError(Reason.CONFIG, f"there is no stage {attempt.spec.stage!r}")
    faults.strike_at_start(attempt.spec)
    bring_base(attempt)
    _reset_peak_memory()
    program = importlib.import_module(f"runners.{attempt.spec.stage}")
    run: Callable[[Attempt], StageResult] = program.run
    return run(attempt)


def bring_base(attempt: Attempt) -> None:
    """See that this machine's cache has the base that the job loads.

    Imported by name, as stages are: how a base came affects no result, so it is in no code version.
    """
    spec = attempt.spec
    if BASE_COMMIT in spec.launch and spec.settings.get("base"):
        importlib.import_module("runners.fetch").bring(attempt)


def _publish(attempt: Attempt, result: StageResult) -> Outcome:
    with attempt.timings.part("save"):
        faults.strike_at_save(attempt.spec)
        for path in result.artefacts:
            atomic.sync(path)  # no outcome may survive a power cut that its artefacts do not
        artefacts = describe(attempt.directory, result.artefacts)
    return attempt.reporter.finish(
        DONE,
        artefacts=artefacts,
        metrics=result.metrics,
        checks=result.checks,
        timings=_with_overhead(attempt),
        peak_memory=_peak_memory(),
        environment={**environment.describe(), **attempt.tracked()},
    )


def _fail(attempt: Attempt, error: Exception) -> Outcome:
    reason, detail = explain(error)
    if not isinstance(error, JobError):
        traceback.print_exc()
    return attempt.reporter.finish(
        FAILED,
        reason=reason,
        detail=detail,
        metrics=error.metrics if isinstance(error, JobError) else {},
        timings=_with_overhead(attempt),
        peak_memory=_peak_memory(),
        environment={**environment.describe(), **attempt.tracked()},
    )


def explain(error: Exception) -> tuple[Reason, str]:
    """Return the reason for an exception of a stage, and its first line."""
    if isinstance(error, JobError):
        return error.reason, error.detail
    first = (str(error).splitlines() or [""])[0]
    detail = f"{type(error).__name__}: {first}"
    if type(error).__name__ == "OutOfMemoryError":
        return Reason.GPU_OOM, detail
    if isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate" in str(error):
        return Reason.HOST_OOM, detail
    if _is_full_disk(error):
        return Reason.DISK_FULL, detail
    return Reason.CODE, detail


def _is_full_disk(error: Exception) -> bool:
    """safetensors wraps the errno in its own text."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return bool(re.search(r"No space left on device|Disk quota exceeded", str(error)))


@contextmanager
def log_into(directory: Path) -> Iterator[Any]:
    """Redirect stdout and stderr of this process, its libraries and children to the log.

    Yields a text stream of the former stderr. Others may read the log once the engine has looked
    through it: nobody knows what a library prints.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    former = os.dup(1), os.dup(2)
    file = os.open(directory / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    try:
        with os.fdopen(os.dup(former[1]), "w") as terminal:
            yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in enumerate(former, start=1):
            os.dup2(copy, number)
            os.close(copy)


def log(text: str) -> None:
    """Write one line with the time into the log."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _verdict(outcome: Outcome) -> str:
    if outcome.status == DONE:
        return f"{outcome.job} done in {outcome.seconds:.1f} s"
    if outcome.reason == Reason.KILLED:  # the engine knows whether a person asked for it
        return f"{outcome.job} ended early: {outcome.detail}"
    return f"{outcome.job} failed ({outcome.reason}): {outcome.detail}"


def _with_overhead(attempt: Attempt) -> dict[str, float]:
    seconds = dict(attempt.timings.seconds)
    seconds["overhead"] = round(attempt.reporter.elapsed() - sum(seconds.values()), 4)
    return seconds


def _reset_peak_memory() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak_memory() -> dict[str, int]:
    found = {"host": peak_host_bytes()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["device"] = int(torch.cuda.max_memory_allocated())
    return found
