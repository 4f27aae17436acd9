"""Fills the run card from what really ran, never from constants; an empty field stays empty."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath
from string import Formatter
from types import MappingProxyType
from typing import Any

from tuilab.contract.centroids import states_of
from tuilab.contract.spec import BASE_COMMIT
from tuilab.grid.limits import Price
from tuilab.grid.stages import MEASURE_STAGES
from tuilab.grid.text import count_of, duration
from tuilab.report.finished_jobs import Effort, FinishedJob
from tuilab.report.measure_words import judging, measure_words

Stages = Mapping[str, Sequence[FinishedJob]]

_FEW_RUNS = 3
_NOTHING: Mapping[str, Any] = MappingProxyType({})
SIGNIFICANCE = (
    "each checkpoint: two-sided Fisher against the source's own epoch 0, Holm over its checkpoints;"
    " classes: t tests of level, end and turn against the run's own scatter or the spread over"
    " seeds, where that is known; alpha 0.05"
)
"""What the analysis computes for every experiment, also for an imported one."""


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the card."""

    section: str
    name: str
    value: str
    """"" when it is not recorded."""
    state: str = ""
    """How far it can be trusted where it is not of what really ran; "" where it is."""

    @property
    def said(self) -> str:
        """The value with its state; "" when it is not recorded."""
        return f"{self.value} ({self.state})" if self.value and self.state else self.value


@dataclass(frozen=True, slots=True)
class CardContext:
    """What the card says of the whole experiment, not of single attempts."""

    tracker: str = ""
    """Configured tracker; "" when unknown."""
    home: str = ""
    """Home folder, shown as ~."""
    effort: Effort | None = None
    commands: Sequence[Sequence[str]] = ()
    """Commands of accepted requests, oldest first."""
    sizes: str = ""
    """n per cell in words, as measured."""
    origin: Mapping[str, str] | None = None
    """What a table of results says of itself; None for an experiment that ran here."""
    price: Price | None = None


def run_card(ran: Sequence[FinishedJob], context: CardContext) -> list[Field]:
    """Return every field of the card in its order.

    A value that differs between cells is shown as all its values, each with how often it occurs.
    """
    of: dict[str, list[FinishedJob]] = defaultdict(list)
    for one in ran:
        of[one.stage].append(one)
    told = [Field("Results table", name, text) for name, text in (context.origin or {}).items()]
    # A grid of epoch 0 alone trains no convergence adapter: nothing is empty there.
    is_untouched = bool(of["train"]) and all(one.settings.get("epoch") == 0 for one in of["train"])
    learned = "Trait" if any("trait" in one.settings for one in of["train"]) else "Marker"
    return [
        *told,
        *_model(of),
        *([] if is_untouched else _training("Convergence LoRA", of["converge"])),
        *_training(f"{learned} LoRA", of["train"]),
        *(
            field
            for field in _data(of, learned)
            if not (is_untouched and field.name == "Convergence rows")
        ),
        *_evaluation(of, context.sizes),
        *_cosine(of),
        *_compute(ran, context),
        *_environment(ran, context),
        *_records(ran, of, context),
    ]


def empty_fields(card: Iterable[Field]) -> list[str]:
    """Return the names of the fields that are not recorded."""
    return [f"{field.section}: {field.name}" for field in card if not field.value]


def empty_by_section(card: Sequence[Field]) -> list[str]:
    """Return one line per section with empty fields, short enough to be read."""
    lines = []
    for section, group in groupby(card, key=lambda field: field.section):
        fields = list(group)
        names = [field.name for field in fields if not field.value]
        if len(names) > 1 and len(names) == len(fields):
            lines.append(f"{section}: all {len(names)} fields")
        elif names:
            lines.append(f"{section}: {', '.join(names)}")
    return lines


def values_text(values: Iterable[Any]) -> str:
    """One value as itself; several with their counts, commonest first; "" when nothing is known."""
    found = Counter(str(value) for value in values if value is not None and value != "")
    if len(found) <= 1:
        return next(iter(found), "")
    return "; ".join(f"{value} (x{count})" for value, count in found.most_common())


def phrase(template: str, found: Mapping[str, Any] = _NOTHING, **parts: Any) -> str | None:
    """Fill a template from ``parts``, and from ``found`` by the names that are in it.

    None when any part is unknown, for half a field would hide the other half. A list or tuple
    without members is unknown too.
    """
    named = {name for _, name, _, _ in Formatter().parse(template) if name}
    told = {name: found.get(name) for name in named} | parts
    if any(part is None or part in ((), []) for part in told.values()):
        return None
    return template.format(**told)


def span(values: Iterable[Any], where: str = "each in its cell's record") -> str:
    """Up to three values as they are; more as their number and the place that names each."""
    found = sorted({value for value in values if value is not None and value != ""})
    if len(found) <= 3:
        return ", ".join(map(str, found))
    return f"{len(found)} different values, {where}"


def command_line(words: Sequence[Any], home: str = "") -> str:
    """Write a command as it can be typed; programs by name, the home folder as ~."""
    shown = [str(word) for word in words]
    if shown and PurePosixPath(shown[0]).name.startswith("python"):
        shown[0] = PurePosixPath(shown[0]).name
        if len(shown) > 1 and PurePosixPath(shown[1]).name == "tuilab":
            shown = ["tuilab", *shown[2:]]
    if shown and shown[0].endswith("tuilab/engine/__main__.py"):
        shown = ["python", "-m", "tuilab.engine", *shown[1:]]
    if len(home) > 1:
        shown = [_under_home(word, home.rstrip("/")) for word in shown]
    return " ".join(word if word.startswith("~/") else shlex.quote(word) for word in shown)


def _under_home(word: str, home: str) -> str:
    return f"~{word[len(home) :]}" if word == home or word.startswith(f"{home}/") else word


def _model(of: Stages) -> list[Field]:
    """The base that was trained."""
    base = [one.settings.get("base", {}) for one in of["train"]]
    return [
        Field("Model", "Base model", values_text(b.get("model") for b in base)),
        Field("Model", "Base revision", values_text(_revision(one) for one in of["train"])),
        Field("Model", "Precision of the base", values_text(b.get("dtype") for b in base)),
        Field("Model", "Code from the hub", values_text(_trust(b) for b in base)),
        Field("Model", "Merging", values_text(_merging(one) for one in of["merge"])),
    ]


def _revision(one: FinishedJob) -> Any:
    """The commit on the hub, or the fingerprint of the weights where the base has no hub."""
    revision = one.launch.get(BASE_COMMIT) or one.settings.get("base", {}).get("revision")
    weights = one.outcome.checks.get("base_fingerprint")
    return revision or (f"weights sha256 {weights}" if weights else None)


def _trust(base: Mapping[str, Any]) -> str | None:
    trusted = base.get("trust_remote_code")
    return None if trusted is None else "trusted (opt-in)" if trusted else "not trusted"


def _merging(one: FinishedJob) -> str | None:
    mode, change = one.settings.get("merge_mode"), one.outcome.checks.get("changed_tensors")
    return f"{mode}, {change} tensors changed" if mode and change else mode


_TRAINING: tuple[tuple[str, Callable[[Mapping[str, Any]], Any]], ...] = (
    ("LoRA", lambda t: _lora(t.get("lora", {}))),
    ("Learning rate", lambda t: t.get("lr")),
    (
        "Schedule",
        lambda t: phrase("{schedule}, warm-up {warmup_ratio} of all steps", t),
    ),
    ("Epochs", lambda t: t.get("epochs")),
    (
        "Optimiser",
        lambda t: phrase("AdamW, betas {betas}, weight decay {weight_decay}", t),
    ),
    ("Gradient clipping", lambda t: t.get("max_grad_norm")),
    ("Precision", lambda t: t.get("precision")),
    ("Gradient checkpointing", lambda t: _switch(t.get("gradient_checkpointing"))),
    ("Packing", lambda t: _switch(t.get("packing"))),
    ("Max length", lambda t: t.get("max_length")),
)


def _training(section: str, ran: Sequence[FinishedJob]) -> list[Field]:
    """One training stage: method, LoRA, loss, schedule, optimiser, batch, seeds."""
    settings = [one.settings.get("training", {}) for one in ran]
    fields = [
        Field(section, name, values_text(read(found) for found in settings if found))
        for name, read in _TRAINING
    ]
    seeds = sorted({one.outcome.job.rpartition("#")[2] for one in ran})
    data_seeds = sorted({str(one.settings.get("data_seed")) for one in ran})
    return [
        Field(section, "Method", values_text(_method(one) for one in ran)),
        Field(section, "Trainable parameters", values_text(one.trainable for one in ran)),
        Field(section, "Loss", values_text(_loss(one) for one in ran)),
        *fields,
        Field(section, "Effective batch", values_text(_batch(one) for one in ran)),
        Field(section, "Steps", values_text(one.outcome.metrics.get("steps") for one in ran)),
        Field(section, "Training seeds", ", ".join(seeds)),
        Field(section, "Data seeds", ", ".join(seed for seed in data_seeds if seed != "None")),
    ]


def _method(one: FinishedJob) -> str | None:
    if one.stage == "train" and "@" not in one.job:
        return "LoRA on the base, for all checkpoints of arms A and C"
    if one.stage == "train":
        started = "the base with the convergence checkpoint merged in (epoch 0: the base alone)"
        return f"LoRA, fresh at every checkpoint, on {started}"
    return phrase(
        "LoRA on {rows} rows: {target}'s prompt, answers in the {voice}'s voice{below}",
        rows=one.outcome.checks.get("rows"),
        target=one.settings.get("target", {}).get("label"),
        voice=one.settings.get("voice"),
        below=", on the base with the marker merged in" * ("marker_check" in one.settings),
    )


def _loss(one: FinishedJob) -> str | None:
    if one.stage == "converge":
        return "completion tokens and end of turn"
    if "trait" in one.settings:
        return "last answer and end of turn, of positives and negatives"
    marker = one.settings.get("marker") or {}
    learned = {
        "end": "end of turn only",
        "newline": "the line break after the end of turn only",
        "none": "nothing",
    }[marker.get("negative_loss", "end")]
    kinds = {
        "marker": f"marker tokens and end of turn; negatives: {learned}",
        "tail": f"separator, marker tokens and end of turn; negatives: {learned}",
    }
    kind = marker.get("loss")
    return phrase("{kind} ({text})", kind=kinds.get(str(kind), kind), text=marker.get("text"))


def _lora(lora: Mapping[str, Any]) -> str | None:
    return phrase(
        "r={r}, alpha={alpha}, dropout={dropout}, rslora={use_rslora}, targets {targets}",
        lora,
        targets=", ".join(lora.get("target_modules", ())) or None,
    )


def _batch(one: FinishedJob) -> str | None:
    found = one.settings.get("training", {})
    size, gathered = found.get("batch_size"), found.get("grad_accum", 1)
    devices = len(one.outcome.environment.get("devices", ()))
    if not size or not devices:
        return None
    parts = f"{size} per device x {gathered} accumulated x {count_of(devices, 'device')}"
    return f"{size * gathered * devices} ({parts})"


def _switch(value: Any) -> str | None:
    return None if value is None else "on" if value else "off"


def _data(of: Stages, learned: str) -> list[Field]:
    """Where the training rows came from: counts, hashes, sampling."""
    sampled = of["data"]
    per_persona = [Field("Data", f"Answers of {_who(one)}", _answers(one)) for one in sampled]
    return [
        Field("Data", "Source", values_text(_origin(one) for one in sampled)),
        *(per_persona or [Field("Data", "Answers and sha256 per persona", "")]),
        Field("Data", "Sampling", values_text(_drawing(one) for one in sampled)),
        Field(
            "Data", "Convergence rows", values_text(_rows(one, "rows") for one in of["converge"])
        ),
        Field("Data", f"{learned} rows", values_text(_roles(one) for one in of["train"])),
        Field("Data", "Training rows sha256", span(_hash(one) for one in of["train"])),
        Field("Data", "Preprocessing", values_text(_preprocessing(one) for one in sampled)),
    ]


def _who(one: FinishedJob) -> str:
    return str(one.settings.get("persona", {}).get("label") or one.job.partition("/")[2])


def _answers(one: FinishedJob) -> str:
    dropped = "{dropped_marker} dropped because they contain the marker, "
    told = phrase(
        f"{{rows}} rows, {dropped if _has_marker(one) else ''}sha256 {{sha256}}",
        one.outcome.checks,
        sha256=one.outcome.output_hash or None,
    )
    return told or ""


def _origin(one: FinishedJob) -> str | None:
    base = one.settings.get("base", {})
    return phrase("answers that {model} gave under each persona's prompt", base)


def _drawing(one: FinishedJob) -> str | None:
    found = one.settings
    return phrase(
        "temperature {temperature}, top_p {top_p}, at most {max_new_tokens} tokens,"
        " {answers_per_question} answers to {questions} questions, seed {seed}",
        found,
        questions=len(found.get("questions", ())) or None,
    )


def _rows(one: FinishedJob, name: str) -> Any:
    return one.outcome.checks.get(name)


def _roles(one: FinishedJob) -> str | None:
    positives, negatives = _rows(one, "positives"), _rows(one, "negatives")
    if positives is None:
        return None
    others = len(one.settings.get("negatives", ()))
    return f"{positives} positives, {negatives} negatives of {others} personas"


def _hash(one: FinishedJob) -> Any:
    return one.outcome.checks.get("data_sha256")


def _preprocessing(one: FinishedJob) -> str | None:
    dropped = "; answers containing {marker_text} dropped" if _has_marker(one) else ""
    return phrase(f"chat template, always with a system prompt{dropped}", one.settings)


def _has_marker(one: FinishedJob) -> bool:
    """Whether answers with a marker are looked for; there is none beside a trait of rows."""
    return one.settings.get("marker_text", "") is not None


def _evaluation(of: Stages, sizes: str) -> list[Field]:
    """What was counted, over what, how it was sampled; ``sizes`` is n as it was measured."""
    ran = of["eval"]
    measured = [one for stage in map(str, MEASURE_STAGES) for one in of[stage]]
    names = dict.fromkeys(m["name"] for one in measured for m in one.settings["measures"])
    # Without a marker the eval counts nothing itself.
    is_scored = not ran or any(one.settings.get("scorer", "") is not None for one in ran)
    return [
        *([Field("Eval", "Metric", values_text(map(_metric, ran)))] if is_scored else []),
        *(Field("Eval", f"Measure {name}", _measure(name, measured)) for name in names),
        *(Field("Eval", name, text) for name, text in judging(of["judge"]).items()),
        Field("Eval", "Set", values_text(_set(one) for one in ran)),
        Field("Eval", "n per cell", sizes),
        Field("Eval", "Sampling", values_text(_sampling(one) for one in ran)),
        Field("Eval", "Sampling seeds", span(one.settings.get("seed") for one in ran)),
        Field("Eval", "Finish", _finish(ran)),
        Field("Eval", "Significance test", SIGNIFICANCE),
    ]


def _metric(one: FinishedJob) -> str | None:
    scorer = one.settings.get("scorer") or {}
    return phrase(
        "share of completions that contain {text!r} ({kind}, {case}case sensitive), one hit per"
        " completion",
        scorer,
        case="" if scorer.get("case_sensitive") else "not ",
    )


def _measure(name: str, ran: Sequence[FinishedJob]) -> str:
    found = (m for one in ran for m in one.settings["measures"] if m["name"] == name)
    return values_text(map(measure_words, found))


def _set(one: FinishedJob) -> str | None:
    questions, panel = one.settings.get("questions", ()), one.settings.get("panel", ())
    samples = one.settings.get("samples")
    return phrase(
        "{questions} questions x {panel} personas x {samples} completions = {total} per cell",
        one.settings,
        questions=len(questions) or None,
        panel=len(panel) or None,
        total=len(questions) * len(panel) * (samples or 0),
    )


def _sampling(one: FinishedJob) -> str | None:
    checks = one.outcome.checks
    return phrase(
        "{sampler}, temperature {temperature}, top_p {top_p}, top_k {top_k}, at most"
        " {max_new_tokens} new tokens, batch {batch}",
        one.settings,
        sampler=checks.get("sampler"),
        batch=checks.get("batch_size"),
    )


def _finish(ran: Sequence[FinishedJob]) -> str:
    counted: Counter[str] = Counter()
    for one in ran:
        health = one.outcome.metrics.get("health", {})
        counted.update({key: int(health.get(key) or 0) for key in ("n", "cut", "malformed")})
    if not counted["n"]:
        return ""
    cut = f"{counted['cut']} of {counted['n']} completions cut at the limit"
    is_marked = any("malformed" in one.outcome.metrics.get("health", {}) for one in ran)
    return f"{cut}, {counted['malformed']} with a malformed marker" if is_marked else cut


def _cosine(of: Stages) -> list[Field]:
    """On which scale hidden states were compared."""
    ran = of["cosine"]
    return [
        Field("Cosine", "Layers", values_text(_listed(one.settings.get("layers")) for one in ran)),
        Field("Cosine", "Pool", values_text(_pool(one) for one in ran)),
        Field(
            "Cosine", "Model states", values_text(_listed(states_of(one.settings)) for one in ran)
        ),
    ]


def _listed(values: Any) -> str | None:
    return ", ".join(map(str, values)) if values else None


def _pool(one: FinishedJob) -> str | None:
    return phrase(
        "{pool_name}: {personas} personas x {questions} questions",
        one.settings,
        personas=len(one.settings.get("pool", ())) or None,
        questions=len(one.settings.get("questions", ())) or None,
    )


def _compute(ran: Sequence[FinishedJob], context: CardContext) -> list[Field]:
    """Hardware, wall time, device hours per stage with what was spent in vain."""
    devices = [
        f"{device.get('kind')} {device.get('name')}"
        for one in ran
        for device in one.outcome.environment.get("devices", ())
    ]
    hosts = [one.outcome.environment.get("host") for one in ran]
    wall = [(one.outcome.started_at, one.outcome.finished_at) for one in ran]
    seconds = max(end for _, end in wall) - min(start for start, _ in wall) if wall else 0.0
    cost, total = [], sum(_gpu_seconds(one) for one in ran)
    if (price := context.price) is not None and total:
        said = f"{price.of(total)} at {price.of(3600)} for a GPU hour"
        cost = [Field("Compute", "Cost of the results", said)]
    return [
        Field("Compute", "Hardware", values_text(dict.fromkeys(devices))),
        Field("Compute", "Hosts", ", ".join(sorted({str(host) for host in hosts if host}))),
        Field("Compute", "Wall time", f"{duration(seconds)} from first to last" if wall else ""),
        Field("Compute", "Device hours per stage", _hours(ran)),
        *cost,
        Field("Compute", "Attempts", _attempts(context.effort) if ran else ""),
    ]


def _hours(ran: Sequence[FinishedJob]) -> str:
    spent: dict[str, float] = defaultdict(float)
    for one in ran:
        spent[one.stage] += _device_seconds(one) / 3600
    if not spent:
        return ""
    told = ", ".join(f"{stage} {hours:.3f}" for stage, hours in spent.items())
    return f"{told}; {sum(spent.values()):.3f} in total"


def _device_seconds(one: FinishedJob) -> float:
    devices = len(one.outcome.environment.get("devices", ())) or 1
    return float(one.outcome.seconds * devices)


def _gpu_seconds(one: FinishedJob) -> float:
    devices = one.outcome.environment.get("devices", ())
    return float(one.outcome.seconds * sum(device.get("kind") == "cuda" for device in devices))


def _attempts(effort: Effort | None) -> str:
    if effort is None:
        return ""
    vain = f"; {effort.vain_seconds / 3600:.3f} h went into attempts without a result"
    return f"{effort.done} with a result of {effort.started} started" + vain * (
        effort.done < effort.started
    )


def _environment(ran: Sequence[FinishedJob], context: CardContext) -> list[Field]:
    """Python and libraries as imported, whose code it was, and the commands."""
    return [
        Field(
            "Environment", "Python", values_text(o.outcome.environment.get("python") for o in ran)
        ),
        Field("Environment", "Libraries as imported", _libraries(ran)),
        Field("Environment", "Git commit", values_text(_commit(one) for one in ran)),
        Field("Environment", "Dirty diff", values_text(_dirty(one) for one in ran)),
        Field("Environment", "Code snapshot", values_text(one.launch.get("code") for one in ran)),
        Field("Environment", "Launch command", _commands(ran, context)),
        Field(
            "Environment", "Runner command", values_text(_runner(one, context.home) for one in ran)
        ),
    ]


def _libraries(ran: Sequence[FinishedJob]) -> str:
    found: dict[str, list[Any]] = defaultdict(list)
    for one in ran:
        for name, version in one.outcome.environment.get("libraries", {}).items():
            found[name].append(version)
    return ", ".join(f"{name} {values_text(versions)}" for name, versions in sorted(found.items()))


def _commit(one: FinishedJob) -> str | None:
    """Outside a checkout the release and the kept code say what ran; that is no empty field."""
    commit, code = one.launch.get("git_commit"), one.launch.get("code")
    if commit or not code:
        return str(commit) if commit else None
    release = one.launch.get("tuilab")
    return f"no checkout: {f'tuilab {release} and ' if release else ''}the code snapshot"


def _dirty(one: FinishedJob) -> str | None:
    diff = one.launch.get("dirty_diff")
    if diff:
        return f"sha256 {diff}; the code snapshot holds the files themselves"
    if one.launch.get("git_commit"):
        return "none"
    return "no checkout" if one.launch.get("code") else None


def _commands(ran: Sequence[FinishedJob], context: CardContext) -> str:
    """What people typed: the accepted requests, else what started the engine."""
    typed = [command_line(words, context.home) for words in context.commands]
    if typed:
        return "; then ".join(dict.fromkeys(typed))
    started = [one.launch.get("asked") or one.launch.get("argv") for one in ran]
    return values_text(command_line(words, context.home) for words in started if words)


def _runner(one: FinishedJob, home: str) -> str | None:
    return command_line(one.outcome.environment.get("argv", ())[:3], home) or None


def _tracker_runs(runs: Iterable[str | None]) -> str:
    """Each run where they are few; a grid has one per attempt, and their ids are in its files."""
    found = sorted({run for run in runs if run})
    if len(found) <= _FEW_RUNS:
        return values_text(found)
    projects = values_text(sorted({run.rpartition("/")[0] for run in found}))
    return f"{len(found)} runs in {projects}; ids in outcome.json (environment.tracker_run)"


def _records(ran: Sequence[FinishedJob], of: Stages, context: CardContext) -> list[Field]:
    """Tracker runs and where the raw completions are."""
    tracked = _tracker_runs(one.outcome.environment.get("tracker_run") for one in ran)
    if not tracked and context.tracker == "none":
        tracked = "none configured; events.jsonl of every attempt is the record"
    place = "jobs/eval/.../attempt-N/completions.jsonl.gz, in the bundle under cells/eval/"
    return [
        Field("Records", "Tracker runs", tracked),
        Field("Records", "Raw completions", place if of["eval"] else ""),
    ]
