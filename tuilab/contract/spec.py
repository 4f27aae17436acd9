"""The spec of one attempt: all that a runner needs, resolved; written by the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tuilab.contract import atomic
from tuilab.contract.parsing import loads, read_bytes, typed

SCHEMA = 2
SPEC_FILE = "spec.json"
BASE_COMMIT = "base_commit"
"""Key of ``launch``: the commit of the base in the hub's cache, as the fetch job found it."""


class SpecError(Exception):
    """The spec cannot be used; its text says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Input:
    """One upstream result that this attempt reads."""

    job: str
    """Job id of the upstream, such as ``converge/villain#42``."""
    path: str
    """Attempt directory of the upstream, relative to this attempt's directory."""
    output_hash: str
    """The upstream outcome's ``output_hash``; the runner refuses another."""
    read: str = ""
    """Hash of the artefacts of it that this attempt reads; all of them where it says none."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One attempt of one job, as the runner sees it."""

    job: str
    """Job id, such as ``train/villain@10#42`` (also the directory below ``jobs/``)."""
    stage: str
    """fetch, data, converge, train, merge, eval or cosine."""
    attempt: int
    """1 for the first; never reused."""
    token: str
    """Unique per attempt; a runner whose token is no longer the one on disk must not publish."""
    fingerprint: str
    """Hash of the settings and the runner code: a saved state of another one is not resumed."""
    settings: Mapping[str, Any]
    """The resolved settings of this stage (see ``tuilab/grid/settings.py``)."""
    inputs: tuple[Input, ...] = ()
    """Upstream attempts, in plan order."""
    source: str | None = None
    """Persona key; for the data stage the persona whose answers are sampled."""
    epoch: int | None = None
    """Convergence epoch of the cell; None for data and converge."""
    seed: int | None = None
    """Training seed of the cell; None for data."""
    schema: int = SCHEMA
    launch: Mapping[str, Any] = field(default_factory=dict)
    """Provenance captured by the engine: git commit, dirty diff hash, argv, hostname."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Hashes of what decides the result beside the inputs (``tuilab/grid/fingerprint.py``)."""

    @property
    def pinned(self) -> Mapping[str, Any]:
        """The settings with the commit that the base was fetched at in place of its branch."""
        commit, base = self.launch.get(BASE_COMMIT), self.settings.get("base")
        if not commit or not isinstance(base, Mapping):
            return self.settings
        return {**self.settings, "base": {**base, "revision": commit}}


def read_spec(path: Path) -> Spec:
    """Read a spec file; SpecError (one sentence) if it is missing, broken or of a newer schema."""
    try:
        raw = loads(read_bytes(path))
        schema = typed(raw, dict).get("schema", SCHEMA)
        if isinstance(schema, int) and schema > SCHEMA:
            raise ValueError(f"schema {schema} is newer than this program's {SCHEMA}")
        return typed(raw, Spec)
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SpecError(f"{path}: {error}") from error


def write_spec(attempt_dir: Path, spec: Spec) -> Path:
    """Write ``spec`` into its attempt directory and return the file's path."""
    path = attempt_dir / SPEC_FILE
    atomic.write_json(path, asdict(spec))
    return path
