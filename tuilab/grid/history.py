"""Says what happened: the only place where a journal line becomes words; pure.

Texts hold names and errors that others wrote: whoever shows them cleans them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from tuilab.grid.endings import how_it_ended
from tuilab.grid.ledger import HUB
from tuilab.grid.limits import LIMIT, Limit, moment_meant
from tuilab.grid.metrics import METRICS, read_back
from tuilab.grid.states import BROKEN, Verdict
from tuilab.grid.text import count_of, duration, size

Line = Mapping[str, Any]
_NAMED = 3
"""Up to so many jobs are named in a sentence; more are counted."""
TROUBLE = frozenset(state.value for state in BROKEN)
"""Roles of events that somebody should see."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, or the same thing to several jobs within a second."""

    before: str = ""
    names: tuple[str, ...] = ()
    """Jobs (or cells, workers) that it happened to; they stand between ``before`` and ``after``."""
    after: str = ""
    role: str = "text"
    """How it is coloured: a state's word, or text, muted, warn."""
    noun: str = "job"
    count: int = 0
    """How many there are: of a long list a reader may have kept the first name only."""
    is_result: bool = False
    """Whether it tells what was measured."""
    at: float = 0.0
    """Unix time."""
    kind: str = ""
    seq: int = 0
    """Number of its line in the journal, of the first where there are several."""

    @property
    def text(self) -> str:
        """The sentence."""
        return f"{self.before}{self._subject}{self.after}"

    @property
    def _subject(self) -> str:
        if self.count <= _NAMED:
            return ", ".join(self.names)
        own = [name.partition("/")[2] for name in self.names if "/" in name and "@" in name]
        cells, shared = list(dict.fromkeys(own)), self.count - len(own)
        if not cells or len(self.names) != self.count or _NAMED < len(cells) == self.count:
            return count_of(self.count, self.noun)
        named = ", ".join(cells) if len(cells) <= _NAMED else count_of(len(cells), "cell")
        more = f" and {count_of(shared, f'shared {self.noun}')}" if shared else ""
        return f"{count_of(len(own), self.noun)} of {named}{more}"

    @property
    def is_news(self) -> bool:
        """Whether it may pass by on a screen; starts, one for every job, only the history lists."""
        return self.kind != "started" and self.role != "muted"

    def is_about(self, names: Iterable[str]) -> bool:
        """Whether it happened to one of these jobs or cells."""
        return not set(names).isdisjoint(self.names)


def events_of(lines: Iterable[Line]) -> Iterator[Event]:
    """Yield what happened, oldest first; never raises for what a line holds.

    A retry is told with the end that it follows, and what happened alike to several jobs within
    a second is told once; results and bad ends are told one by one.
    """
    batches = groupby(lines, key=lambda line: line.get("at"))
    events = (event for _, batch in batches for event in _tell_together(list(batch)))
    for _, alike in groupby(events, key=_what_happened):
        yield _merged(list(alike))


def parse_since(text: str, now: float) -> float:
    """Return the unix time meant by 8h, 30m, 2d, 1h30m, 06:00 or a date, by the local clock.

    A time of day is the last one before ``now``. Raises SinceError, which says what can be read.
    """
    if (found := moment_meant(text, now, ahead=-1)) is None:
        raise SinceError(
            f"{text!r} is not a time: write 8h, 30m, 2d, 06:00, 2026-03-01 or '2026-03-01 06:00'"
        )
    return found


class SinceError(ValueError):
    """A time that cannot be read; its text says what can be."""


def _tell_together(batch: list[Line]) -> Iterator[Event]:
    """Tell lines that were written together: a new attempt is asked for beside the end before it.

    The engine writes the retry first, so that a crash between the two loses neither.
    """
    ended = {str(line.get("job")) for line in batch if line.get("kind") == "settled"}
    again = {job for line in batch if _is_retry(line) for job in _jobs(line) if job in ended}
    for line in batch:
        if _is_retry(line) and again.issuperset(_jobs(line)):
            continue
        if (event := _event(line)) is None:
            continue
        if event.kind == "settled" and again.intersection(event.names):
            event = replace(event, after=f"{event.after}, retried")
        yield event


def _event(line: Line) -> Event | None:
    kind = str(line.get("kind", ""))
    try:
        event = SENTENCES.get(kind, _of_a_newer_program)(line)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        event = Event(f"{kind}: a damaged line", role="muted")
    at = line.get("at")
    at = float(at) if isinstance(at, int | float) and math.isfinite(at) else 0.0
    if event is None:
        return None
    seq = line.get("seq")
    seq = seq if isinstance(seq, int) else 0
    return replace(event, at=at, kind=kind, seq=seq, count=max(event.count, len(event.names)))


def _what_happened(event: Event) -> tuple[object, ...]:
    """What is equal of events that are told as one; a number and a bad end are of one job each."""
    own = event.names if event.is_result or event.role in TROUBLE else ()
    return int(event.at), event.kind, event.before, event.after, event.role, own


def _merged(alike: list[Event]) -> Event:
    if len(alike) == 1:
        return alike[0]
    names = tuple(name for event in alike for name in event.names)
    return replace(alike[0], names=names, count=sum(event.count for event in alike))


def _engine_started(line: Line) -> Event:
    text = f"engine started on {line['host']} (pid {line['pid']})"
    if line.get("took_over"):
        text += f", took over from {line['took_over']}"
    elif line.get("died"):
        text += f"; the one before ({line['died']}) had died"
    return Event(text if line.get("go") else f"{text}; queued work waits until someone resumes")


def _engine_stopped(line: Line) -> Event:
    return Event("engine ended" + (f": {line['why']}" if line.get("why") else ""))


def _worker_started(line: Line) -> Event:
    where = f" on GPU {line['device']}" if line.get("device") else ""
    return Event("", _worker(line), f" started{where}", "muted", "worker")


def _worker_ended(line: Line) -> Event:
    code, why = line.get("exit"), line.get("why")
    if why:
        how = f" ended: {why}"
    elif not code:
        how = " ended"
    else:
        how = f" killed by signal {code - 128}" if code > 128 else f" ended with exit code {code}"
    return Event("", _worker(line), how, "text" if why or code else "muted", "worker")


def _started(line: Line) -> Event:
    again = f" (attempt {line['attempt']})" if line["attempt"] > 1 else ""
    return Event("", _jobs(line), f" started{again}", "running")


def _settled(line: Line) -> Event:
    verdict, detail = str(line["verdict"]), str(line.get("detail") or "")
    seconds = line.get("seconds")
    if verdict == Verdict.DONE:
        took = "" if seconds is None else f" in {duration(seconds)}"
        metrics = line.get("metrics") or {}
        numbers = _numbers(metrics) or _bytes(metrics, seconds)
        said = f" done{took}{numbers}"
        return Event("", _jobs(line), said, verdict, is_result=bool(numbers))
    ending = how_it_ended(verdict, line.get("reason"), detail)
    return Event("", _jobs(line), f" {ending}", verdict)


def _bytes(metrics: Mapping[str, Any], seconds: Any) -> str:
    """Say how much a fetch brought and at which rate, or that nothing was missing."""
    if "fetched_bytes" not in metrics:
        return ""
    came = metrics["fetched_bytes"]
    if not came:
        return f": all {size(metrics['bytes'])} were in the cache"
    rate = f" at {size(came / seconds)}/s" if seconds else ""
    rest = f" of {size(metrics['bytes'])}" if came < metrics["bytes"] else ""
    return f": {size(came)}{rest}{rate}"


def _numbers(metrics: Mapping[str, Any]) -> str:
    parts = [METRICS[key].said(found) for key, found in read_back(metrics).items()]
    return f": {', '.join(parts)}" if parts else ""


def _wanted(line: Line) -> Event | None:
    if not line["jobs"]:
        return None  # the answer to the request says that there was nothing to do
    if _is_retry(line):
        return _of_jobs(line, "", f" retried: {line.get('why')}", "warn")
    how = " from scratch" if line.get("restart") else ""
    verb = {"grow": "run"}.get(line.get("verb", ""), line.get("verb", "run"))
    return _of_jobs(line, f"{_who(line)} asked to {verb} ", how, "queued")


def _unwanted(line: Line) -> Event | None:
    if line.get("by") == "engine":
        return None  # an attempt that came back; the note beside it says so
    return _of_jobs(line, f"{_who(line)} stopped ", "", Verdict.STOPPED.value)


def _held(line: Line) -> Event:
    why = str(line.get("why") or "")
    if not line.get("by"):
        return _of_jobs(line, "", f" held: {why}", "warn")
    own = "" if why in ("", f"held by {line['by']}") else f": {why}"
    return _of_jobs(line, f"{_who(line)} held ", own)


def _paused(line: Line) -> Event:
    if line.get("why"):
        return Event(f"{_who(line)} paused: {line['why']}", role="warn")
    how = "everything is suspended" if line.get("mode") == "hard" else "nothing new starts"
    return Event(f"{_who(line)} paused: {how}", role="warn")


def _resumed(line: Line) -> Event:
    why = f": {line['why']}" if line.get("why") else ""
    return Event(f"{_who(line)} resumed{why}")


def _limited(line: Line) -> Event:
    hours = line.get("gpu_hours")
    limit = Limit(line.get("until"), None if hours is None else hours * 3600)
    said = f"limited the run: {limit.said(line['at'])}" if limit else "lifted the limit of the run"
    return Event(f"{_who(line)} {said}")


def _noted(line: Line) -> Event:
    change = [f"+#{tag}" for tag in line.get("tags", ())]
    change += [f"-#{tag}" for tag in line.get("untag", ())]
    text = line.get("text")
    if text is not None:
        change.append(str(text) or "note removed")
    cells = tuple(map(str, line["cells"]))
    about = f"{_who(line)} noted" + (" of " if cells else "")
    return Event(about, cells, f": {' '.join(change)}", noun="cell")


def _locked(line: Line) -> Event:
    return Event(f"{_who(line)} locked the claims of {line['title']} ({line['sha256'][:12]})")


def _deviation(line: Line) -> Event:
    sets = ", ".join(f"{key} = {value}" for key, value in line.get("sets", {}).items())
    cells = tuple(map(str, line["cells"]))
    if not sets:
        return Event(f"{_who(line)} took back the edits of ", cells, noun="cell")
    earlier = "; earlier edits taken back" if line.get("as_planned") else ""
    return Event(f"{_who(line)} edited ", cells, f": {sets}{earlier}", noun="cell")


def _grown(line: Line) -> Event:
    added = [
        f"{name.removesuffix('s') if len(values) == 1 else name} {', '.join(map(str, values))}"
        for name, values in line.get("added", {}).items()
    ]
    did = f"added {' and '.join(added)}" if added else f"planned again ({line['cause']})"
    counts = {
        "new": line.get("new", 0),
        "no longer planned": line.get("gone", 0),
        "stale": sum(line.get("stale", {}).values()),
    }
    told = [f"{count_of(count, 'cell')} {what}" for what, count in counts.items() if count]
    return Event(f"{_who(line)} {did}: {', '.join(told) or 'no cell changes'}")


def _request(line: Line) -> Event | None:
    verb, why = str(line["verb"]), line.get("why")
    verb = {"order": "reorder the queue"}.get(verb, verb)
    if not line["accepted"]:
        said = f"{_who(line)}'s request to {verb} was refused: {why or 'no reason given'}"
        return Event(said, role="warn")
    # What was granted is told by the lines beside it; a word to it is not.
    return Event(f"{_who(line)} asked to {verb}: {why}") if why else None


def _note(line: Line) -> Event:
    text, job = str(line["text"]), str(line.get("job") or "")
    if job and text.startswith(job):
        return Event("", (job,), text.removeprefix(job), "warn")
    return Event(text, role="warn")


def _moved(line: Line) -> Event:
    said = f": its branch has moved to {line['commit']}; the experiment keeps {line['kept']}"
    return Event("", _jobs(line), said, "warn")


def _of_a_newer_program(line: Line) -> Event:
    said = next((f": {line[key]}" for key in ("text", "why") if line.get(key)), "")
    kind = str(line.get("kind", "something")).replace("-", " ")
    return Event(f"{kind}{said} (from a newer tuilab)")


SENTENCES: dict[str, Callable[[Line], Event | None]] = {
    "engine-started": _engine_started,
    "engine-stopped": _engine_stopped,
    "worker-started": _worker_started,
    "worker-ended": _worker_ended,
    "adopted": lambda line: Event("", _jobs(line), " carried on under the new engine", "running"),
    "claimed": lambda line: None,  # its start or its end says more
    "started": _started,
    "settled": _settled,
    "wanted": _wanted,
    "unwanted": _unwanted,
    "held": _held,
    "released": lambda line: _of_jobs(line, f"{_who(line)} released "),
    "ordered": lambda line: _of_jobs(line, f"{_who(line)} reordered the queue: ", " first"),
    "paused": _paused,
    "resumed": _resumed,
    "deviation": _deviation,
    "grown": _grown,
    "accepted": lambda line: _of_jobs(
        line, f"{_who(line)} accepted ", f" as current: {line.get('why')}"
    ),
    "limited": _limited,
    "noted": _noted,
    "locked": _locked,
    "notified": lambda line: Event(f"notice: {line['title']}: {line['text']}", role="muted"),
    "request": _request,
    "note": _note,
    "moved": _moved,
}
"""How each kind of line is told; None where another line says it."""
TOLD = frozenset(SENTENCES) - {"claimed"}
"""Kinds that are worth keeping for those who tell them."""


def _who(line: Line) -> str:
    by = str(line.get("by") or "")
    return {"": "somebody", **dict.fromkeys(("engine", HUB, LIMIT), "the engine")}.get(by, by)


def _is_retry(line: Line) -> bool:
    is_whole = isinstance(line.get("jobs"), list | dict)
    return line.get("kind") == "wanted" and line.get("verb") == "retry" and is_whole


def _worker(line: Line) -> tuple[str, ...]:
    return (f"worker {line['worker']}",)


def _jobs(line: Line) -> tuple[str, ...]:
    jobs = line["jobs"] if "jobs" in line else (line["job"],)
    return tuple(map(str, jobs))


def _of_jobs(line: Line, before: str, after: str = "", role: str = "text") -> Event:
    return Event(before, _jobs(line), after, role, count=int(line.get("count") or 0))
