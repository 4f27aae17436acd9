"""Chooses what a bundle holds: the report, config, plan, code, records and completions."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tuilab.contract.foreign import redact
from tuilab.report.bundle import write_bundle
from tuilab.report.finished_jobs import Ran, cell_record, with_results
from tuilab.report.folder import Made
from tuilab.study.study import Study

LARGE = frozenset({"adapter_model.safetensors", "model.safetensors"})
"""Weights stay with the experiment; a bundle carries their hashes."""
EXPERIMENT_FILES = (
    "experiment.toml",
    "plan.json",
    "design.json",
    "measurements.csv",
    "journal.jsonl",
    "deviations.json",
)
REDACTED = "REDACTED.txt"
_TEXTS = frozenset({".toml", ".json", ".jsonl", ".csv", ".md", ".tex", ".txt", ".py"})


def make_bundle(study: Study, made: Made, out: Path) -> str:
    """Archive the report and everything behind it without secrets; return the archive's sha256."""
    folder = made.report.parent
    members: dict[str, Path | bytes] = {
        f"report/{path.relative_to(folder).as_posix()}": path for path in made.files
    }
    for name in EXPERIMENT_FILES:
        if (study.root / name).is_file():
            members[name] = study.root / name
    members |= _folder(study.root / "code", "code")
    for ran in with_results(study):
        members |= _cell(ran)
    return write_bundle(out, without_secrets(members))


def without_secrets(members: dict[str, Path | bytes]) -> dict[str, Path | bytes]:
    """Blank out what looks like a token in every text, and name the members that were changed."""
    kept: dict[str, Path | bytes] = {}
    changed = []
    for name, source in members.items():
        cleaned = _redacted(name, source)
        kept[name] = source if cleaned is None else cleaned
        if cleaned is not None:
            changed.append(name)
    if changed:
        said = "Something that looks like a token or key was blanked out in:\n"
        kept[REDACTED] = (said + "".join(f"{name}\n" for name in sorted(changed))).encode()
    return kept


def _redacted(name: str, source: Path | bytes) -> bytes | None:
    """The member without its secrets; None when there are none."""
    is_packed = name.endswith(".jsonl.gz")
    if not is_packed and Path(name).suffix not in _TEXTS:
        return None
    data = source if isinstance(source, bytes) else source.read_bytes()
    text = (gzip.decompress(data) if is_packed else data).decode("utf-8", errors="surrogateescape")
    if (clean := redact(text)) == text:
        return None
    raw = clean.encode("utf-8", errors="surrogateescape")
    return gzip.compress(raw, mtime=0) if is_packed else raw


def _cell(ran: Ran) -> dict[str, Path | bytes]:
    place = f"cells/{ran.job.replace('@', '/epoch-').replace('#', '/seed-')}"
    record = json.dumps(cell_record(ran), indent=1, sort_keys=True).encode()
    members: dict[str, Path | bytes] = {f"{place}/record.json": record}
    for artefact in ran.outcome.artefacts:
        path = ran.directory / artefact.path
        if path.name not in LARGE and path.is_file():
            members[f"{place}/{artefact.path}"] = path
    return members


def _folder(folder: Path, name: str) -> dict[str, Path | bytes]:
    return {
        f"{name}/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
