"""Makes everything in a bundle again from its raw files, and names what is not the same."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from difflib import SequenceMatcher
from pathlib import Path, PurePosixPath
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.foreign import redact
from tuilab.contract.identity import Identity
from tuilab.contract.report import OUTCOME_FILE, Outcome, digest, read_outcome
from tuilab.contract.spec import SPEC_FILE, Spec, SpecError, read_spec
from tuilab.grid.config import ExperimentConfig
from tuilab.grid.config_text import ConfigError, load_config
from tuilab.grid.engine_view import EngineState, EngineView
from tuilab.grid.jobs import Plan
from tuilab.grid.ledger import Ledger
from tuilab.grid.metrics import recorded
from tuilab.grid.stages import Stage
from tuilab.report.bundle import CELLS, LARGE, BundleError, blanks, place_of, unpack
from tuilab.report.folder import write_files
from tuilab.report.recipe import RECIPE_FILE, Recipe, read_recipe
from tuilab.report.records import (
    attempt_apart,
    code_apart,
    config_apart,
    lines_missing,
    plan_apart,
    strangers,
)
from tuilab.report.recount import CHECKS, UncountableError, corrected, differences, recount
from tuilab.store.attempts import number_in
from tuilab.store.engine_file import write_heartbeat
from tuilab.store.find_experiments import is_results_only
from tuilab.store.journal import follow
from tuilab.store.layout import Layout
from tuilab.store.plan_file import PlanFileError, config_digest, load_plan, load_plan_file
from tuilab.store.replan import NoTextError, read_text
from tuilab.study.study import open_study

REPORT = "report"
PICTURES = frozenset({".png", ".pdf"})
ELSEWHERE = Identity("where the bundle was made", "", 0, 0)
MOST_NAMED = 20
"""Lines named of one file; the rest is counted."""
_AROUND = 28
"""Characters shown on each side of what differs."""


@dataclass
class Recomputed:
    """What came of it."""

    problems: list[str] = field(default_factory=list)
    attempts: int = 0
    """Attempts that were counted again."""
    files: int = 0
    """Files of the report that were made again and compared."""
    notes: list[str] = field(default_factory=list)
    """What could not be compared, and why."""
    is_held_to_config: bool = True
    """Whether sources, labels and epochs are those of the config that the bundle holds."""
    untold: Counter[str] = field(default_factory=Counter)
    """Outcomes that lack a number which their files give, by its name."""


_EMBEDDED = re.compile(r'src="(?:data:image/png;base64,|figures/)[^"]*"')
Progress = Callable[[int, int, str], None]
"""``progress(done, of, what)``; ``of`` is 0 where nobody knows how much it is"""


def recompute(bundle: Path, room: Path, progress: Progress = lambda *_: None) -> Recomputed:
    """Count and compute again what a bundle tells, in the empty folder ``room``.

    The numbers of each attempt come from its completions, verdicts and centroids, everything else
    from these numbers. Raises BundleError where it cannot be unpacked or holds no report.
    """
    found = Recomputed()
    progress(0, 0, "unpacking")
    unpack(bundle, room)
    try:
        recipe = read_recipe(room / REPORT)
    except FileNotFoundError as error:
        why = f"it has no {REPORT}/{RECIPE_FILE}, which says how its report was made"
        raise BundleError(f"{bundle}: cannot be computed again: {why}") from error
    except (OSError, ValueError) as error:
        why = f"{REPORT}/{RECIPE_FILE} cannot be read ({error})"
        raise BundleError(f"{bundle}: cannot be computed again: {why}") from error
    _say_versions(recipe, found)
    try:
        _compute(room, recipe, found, progress)
    except Exception as error:  # a forged file may have any shape, deep in what reads it
        if isinstance(error, OSError) and error.errno is not None:  # of this machine's disk
            raise
        found.problems.append(f"the rest cannot be computed again: {_why(error, room)}")
    return found


def _why(error: Exception, room: Path) -> str:
    """Say what is wrong with a bundle, without the folder that nobody sees again."""
    if isinstance(error, PlanFileError) and error.__cause__ is not None:
        return f"plan.json is damaged ({error.__cause__})"
    said = str(error).replace(f"{room}/", "")
    is_ours = type(error).__module__.startswith("tuilab.")
    return said if is_ours else f"one of its files is damaged ({type(error).__name__}: {said})"


def _compute(room: Path, recipe: Recipe, found: Recomputed, progress: Progress) -> None:
    """Count the attempts again, make the report again, and compare it."""
    if not is_results_only(room):
        _count_attempts(Layout(room), load_plan(room), found, progress)
        # Whatever the journal calls live was live: of an engine at work nobody asks the workers.
        view = EngineView(state=EngineState.RUNNING)
        write_heartbeat(Layout(room), ELSEWHERE, "", view, time.time())
    progress(0, 0, "making the report again")
    draws = recipe.matplotlib == recipe.here.matplotlib
    again = room / "again" / REPORT
    write_files(open_study(room), again, recipe, draw=draws)
    found.problems += _unlike(room / REPORT, again, draws, found)


def _say_versions(recipe: Recipe, found: Recomputed) -> None:
    here = recipe.here
    if recipe.tuilab != here.tuilab:
        found.notes.append(
            f"made by tuilab {recipe.tuilab}, computed again by {here.tuilab}: where only words"
            " differ, that is why"
        )
    if recipe.code and recipe.code != here.code:
        found.notes.append(
            f"made by other analysis code ({recipe.code[:12]}, here {here.code[:12]}): a number "
            "that differs may be its doing"
        )
    if recipe.matplotlib != here.matplotlib:
        found.notes.append(
            f"pictures are not compared, only their rows: drawn by matplotlib {recipe.matplotlib},"
            f" here is {here.matplotlib}"
        )


def _count_attempts(layout: Layout, plan: Plan, found: Recomputed, progress: Progress) -> None:
    """Put each attempt where an experiment has it, with the numbers that its raw files give."""
    ledger = Ledger()
    for lines in follow(layout).batches():
        ledger.fold(lines)
    found.problems += lines_missing(follow(layout).stream())
    packed = {job.id: layout.root / place_of(job.id) for job in plan.jobs}
    attempts = {}
    unread = []
    # The folder of one line may lie in that of another: the deepest are taken out first.
    for job, folder in sorted(packed.items(), key=lambda one: -len(one[1].parts)):
        if not (folder / SPEC_FILE).is_file():
            continue
        try:
            spec, outcome = read_spec(folder / SPEC_FILE), read_outcome(folder)
        except (SpecError, OSError, ValueError) as error:
            found.problems.append(f"{place_of(job)}: cannot be read: {error}")
            unread.append(folder)
            continue
        if outcome is None or spec.job != job or spec.attempt < 1:
            found.problems.append(f"{place_of(job)}: is not an attempt of {job}")
            unread.append(folder)
            continue
        place = layout.attempt_dir(job, spec.attempt)
        place.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(place)
        attempts[job] = (place, spec, outcome)
    blanked = blanks(layout.root)
    found.problems += code_apart(layout.code, blanked)
    if blanked.isdisjoint((layout.config.name, layout.plan.name)):
        _check_config(layout, plan, found)
    found.problems += _strays(layout.root, unread)
    for number, (job, (place, spec, outcome)) in enumerate(attempts.items()):
        progress(number, len(attempts), job)
        _check_files(job, place, outcome, blanked, found)
        told = ledger.attempt(job, spec.attempt)
        apart = [*strangers(place, outcome)]
        if blanked.isdisjoint(f"{place_of(job)}/{one}" for one in (SPEC_FILE, OUTCOME_FILE)):
            apart += attempt_apart(spec, outcome, told)
        found.problems += [f"{place_of(job)}/{one}" for one in apart]
        if "plan.json" not in blanked:
            found.problems += plan_apart(plan, job)
        counted = _count(layout, job, place, spec, outcome, found)
        if counted is not outcome:
            atomic.write_json(place / OUTCOME_FILE, asdict(counted))
        made = recorded(plan, plan.by_id[job], counted.metrics)
        numbers = told.numbers if told is not None else {}
        _name(f"journal.jsonl: {job}", differences(numbers, made), found)
    if found.untold:
        names = ", ".join(f"{name} ({count})" for name, count in sorted(found.untold.items()))
        found.notes.append(
            "outcomes lack numbers that their files give, as an older program left them, or taken"
            f" out since: {names}"
        )
    _without_numbers(layout)


def _check_config(layout: Layout, plan: Plan, found: Recomputed) -> None:
    """Name what the plan is about and the config it was made of is not.

    A config that was changed since proves nothing: what it says otherwise is told as that.
    """
    if not layout.config.is_file():
        found.problems.append(f"{layout.config.name}: is missing")
        return
    digest_then = load_plan_file(layout.root).config_digest
    is_changed = bool(digest_then) and digest_then != config_digest(layout)
    try:
        apart = list(config_apart(plan, _config(layout)))
    except (ConfigError, NoTextError, OSError) as error:
        apart = [f"{layout.config.name}: cannot be read: {error}"]
    if not is_changed:
        found.problems += apart
        return
    found.notes.append(
        f"{layout.config.name} has been changed since the plan was made: it does not prove whose"
        " numbers these are"
    )
    found.notes += apart
    found.is_held_to_config = not apart


def _strays(root: Path, unread: Collection[Path]) -> Iterator[str]:
    """Name the files of cells that belong to no attempt; those of an unread one are named."""
    left = (path for path in (root / CELLS).rglob("*") if path.is_file())
    for path in sorted(left):
        if not any(path.is_relative_to(folder) for folder in unread):
            yield f"{path.relative_to(root).as_posix()}: is no file of a result"


def _config(layout: Layout) -> ExperimentConfig:
    """Read what a plan was made of; the files of data that it names are not needed for it."""

    def refuse(name: str, by: str) -> tuple[str, str]:
        raise FileNotFoundError(2, "is not in a bundle", name)

    return load_config(layout.config.name, read_text(layout.config), refuse).config


def _without_numbers(layout: Layout) -> None:
    """Take the numbers out of the journal, so that all that follows reads those counted again."""
    lines = []
    for line in follow(layout).stream():
        line.pop("metrics", None)
        lines.append(json.dumps(line) + "\n")
    atomic.write_bytes(layout.journal, "".join(lines).encode("utf-8", "surrogatepass"))


def _check_files(
    job: str, place: Path, outcome: Outcome, blanked: frozenset[str], found: Recomputed
) -> None:
    """Name what is not the file that the outcome lists; weights are not in a bundle."""
    for one in outcome.artefacts:
        name, path = f"{place_of(job)}/{one.path}", place / one.path
        if not path.is_file():
            if PurePosixPath(one.path).name not in LARGE:
                found.problems.append(f"{name}: is missing")
        elif digest(path) != one.sha256 and name not in blanked:
            found.problems.append(f"{name}: is not the file that its outcome lists")


def _count(
    layout: Layout, job: str, place: Path, spec: Spec, outcome: Outcome, found: Recomputed
) -> Outcome:
    """Return an outcome with the numbers that the raw files of its attempt give."""
    evals = (one for one in spec.inputs if one.job.startswith(f"{Stage.EVAL}/"))
    read = next(((one.job, number_in(one.path)) for one in evals), None)
    sampled = layout.attempt_dir(read[0], read[1]) if read and read[1] else None
    try:
        counted, wrong = recount(Stage(spec.stage), spec.settings, place, sampled)
    except (UncountableError, ValueError) as error:
        found.problems.append(f"{place_of(job)}: cannot be counted again: {error}")
        return outcome
    told = {**outcome.metrics, CHECKS: outcome.checks}
    found.attempts += bool(counted)
    found.problems += [f"{place_of(job)}: {one}" for one in wrong]
    _name(f"{place_of(job)}/{OUTCOME_FILE}", differences(told, counted), found)
    for one in outcome.artefacts:
        name = one.path.removesuffix(".json")
        if name in counted and (place / one.path).is_file():
            _name(f"{place_of(job)}/{one.path}", _copy_apart(place, name, counted), found)
    found.untold.update(counted.keys() - told.keys())
    if (made := corrected(told, counted)) is told:
        return outcome
    checks = made.pop(CHECKS)
    return replace(outcome, metrics=made, checks=checks)


def _copy_apart(
    place: Path, name: str, counted: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the differences of a file of its own that repeats numbers of the outcome."""
    try:
        told = json.loads((place / f"{name}.json").read_bytes())
    except ValueError:
        return iter([(name, "no JSON", counted[name])])
    if isinstance(told, Mapping):
        told = told.get(name, told)
    return differences({name: told}, {name: counted[name]})


def _name(where: str, apart: Iterator[tuple[str, Any, Any]], found: Recomputed) -> None:
    said = [f"{where}: {name} is {told!r}, counted {made!r}" for name, told, made in apart]
    found.problems += _first(said, where)


def _first(said: list[str], where: str) -> list[str]:
    rest = len(said) - MOST_NAMED
    return said[:MOST_NAMED] + ([f"{where}: and {rest} more"] if rest > 0 else [])


def _unlike(told: Path, made: Path, draws: bool, found: Recomputed) -> Iterator[str]:
    """Name every file, and every line, of a report that is not what was made again."""
    names = {root: _files(root) for root in (told, made)}
    for name in sorted(names[told] | names[made]):
        where = f"{REPORT}/{name}"
        if Path(name).suffix in PICTURES and not draws:
            continue
        found.files += 1
        if name not in names[made]:
            yield f"{where}: is no file of this report"
        elif name not in names[told]:
            yield f"{where}: is missing"
        elif Path(name).suffix in PICTURES:
            if digest(told / name) != digest(made / name):
                yield f"{where}: is not the picture of these rows"
        else:
            apart = _lines_apart(where, told / name, made / name, draws)
            yield from _first(list(apart), where)


def _files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def _lines_apart(where: str, told: Path, made: Path, draws: bool) -> Iterator[str]:
    texts = [path.read_bytes().decode("utf-8", "surrogateescape") for path in (told, made)]
    if not draws:
        texts = [_EMBEDDED.sub('src=""', text) for text in texts]
    texts[1] = redact(texts[1])
    if texts[0] == texts[1]:
        return
    ours, theirs = texts[1].splitlines(), texts[0].splitlines()
    if ours == theirs:
        yield f"{where}: has other line ends"
        return
    if len(ours) == len(theirs):
        for number, (was, should) in enumerate(zip(theirs, ours, strict=True), 1):
            if was != should:
                yield f"{where}, line {number}: {_apart(was, should)}"
        return
    for kind, a, b, c, d in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
        if kind != "equal":
            was, should = " / ".join(theirs[a:b]), " / ".join(ours[c:d])
            yield f"{where}, line {a + 1}: {_apart(was, should)}"


def _apart(told: str, made: str) -> str:
    """Show where two lines part, with what stands around."""
    most = min(len(told), len(made))
    start = next((at for at in range(most) if told[at] != made[at]), most)
    end = next((at for at in range(most - start) if told[-1 - at] != made[-1 - at]), most - start)

    def window(text: str) -> str:
        first, last = max(0, start - _AROUND), min(len(text), len(text) - end + _AROUND)
        last = min(last, first + 4 * _AROUND)
        before, after = "..." * (first > 0), "..." * (last < len(text))
        return f'"{before}{text[first:last]}{after}"'

    return f"says {window(told)}, computed {window(made)}"
