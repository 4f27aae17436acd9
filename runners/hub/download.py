"""Fetches the files of a base into the hub's cache, with bytes and rate while they come.

The hub's own library downloads, resumes and keeps the cache; here is chosen what, and checked that
what came is what the hub lists.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from runners.hub import files, refusal
from tuilab.contract import atomic, hub
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

WINDOW_SECONDS = 10.0
"""Over which the rate is taken."""
CHUNK = 256 * 1024
"""Bytes between two signs of life: the library's 10 MB take minutes where the network is slow."""
STREAMS = 4
"""Large files that are fetched at once."""
UNFINISHED = ".tuilab.incomplete"
LOCK_SECONDS = 0.5
"""Between two looks at what another process fetches."""
Report = Callable[[int, int, float | None], None]
"""Called with bytes here, bytes in all and bytes per second (None at first); may raise to stop."""


@dataclass(frozen=True, slots=True)
class File:
    """One file as the hub lists it."""

    path: str
    size: int
    sha256: str = ""
    """Of a large file; "" for one that git keeps itself."""
    blob: str = ""
    """Git's id of a small one."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is to be fetched of a repository."""

    model: str
    commit: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole snapshot in the cache."""

    folder: Path
    commit: str
    size: int
    """Bytes of the files that are loaded."""
    came: int = 0
    """Bytes that were fetched for it now."""


def base_in_cache(model: str, revision: str | None) -> Fetched | None:
    """Return a base that is whole in the cache, without asking a hub; None otherwise."""
    folder = hub.fetched(model, revision, os.environ)
    if folder is None:
        return None
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return Fetched(folder, folder.name, size)


def fetch(
    model: str, revision: str | None, report: Report, *, part: str = "base", code: bool = False
) -> Fetched:
    """Fetch what is missing of a base, or of its tokenizer alone (``part``), and check it.

    ``code`` takes the repository's own modules too. JobError: one sentence with what to do.
    """
    _go_online()
    try:
        listing = ask(model, revision, part, code)
        with _alone(model, listing, report) as has_waited:
            if has_waited and part == "base" and (found := base_in_cache(model, listing.commit)):
                return found  # another process fetched and checked it
            _refuse_without_room(listing)
            before = bytes_here(listing)
            folder = _download(listing, report)
            if wrong := _wrong_files(listing, folder):
                _forget(folder, wrong)
                _download(listing, report)
                _refuse_wrong(listing, _wrong_files(listing, folder))
            _remember_branch(listing, revision)
        return Fetched(folder, listing.commit, listing.size, max(0, listing.size - before))
    except JobError:
        raise
    except Exception as error:
        raise told(error, model, revision) from error


def fetch_file(repo: str, revision: str | None, file: str) -> Path:
    """Fetch one file of a data set, unless it is here; JobError: one sentence with what to do."""
    from huggingface_hub import hf_hub_download

    _go_online()
    try:
        found = hf_hub_download(
            repo,
            file,
            repo_type="dataset",
            revision=revision,
            cache_dir=hub.cache_folder(os.environ),
        )
    except Exception as error:
        raise told(error, f"datasets/{repo}", revision, file) from error
    return Path(found)


def ask(model: str, revision: str | None, part: str = "base", code: bool = False) -> Listing:
    """Ask the hub which commit a revision is and what is loaded of it.

    Raises what the library raises, and JobError when the repository has nothing that can be loaded.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api = HfApi()
    commit = api.model_info(model, revision=revision).sha
    assert commit is not None, "the hub names the commit of every revision"
    tree = api.list_repo_tree(model, recursive=True, revision=commit)
    known = {
        one.path: File(one.path, one.size, one.lfs.sha256 if one.lfs else "", one.blob_id or "")
        for one in tree
        if isinstance(one, RepoFile)
    }
    chosen = files.of_tokenizer(known) if part == "tokenizer" else files.loaded(known, code)
    if part == "base" and not files.has_weights(chosen):
        raise JobError(
            Reason.CONFIG,
            f"{model} has no weights as safetensors: choose a base that has, or convert it and set "
            "base.model to the folder",
        )
    return Listing(model, commit, tuple(known[path] for path in chosen))


def fetch_config(listing: Listing) -> None:
    """Bring the file that tells how large the model is into the cache, where that can be had."""
    from huggingface_hub import hf_hub_download

    cache = hub.cache_folder(os.environ)
    with suppress(Exception):  # whoever asks says then that the size is not known
        hf_hub_download(listing.model, "config.json", revision=listing.commit, cache_dir=cache)


def told(error: Exception, model: str, revision: str | None, file: str = "") -> JobError:
    """Turn what the hub's library raised into one sentence."""
    now = time.time()
    facts = refusal.facts_of(error, now)
    is_revision = "RevisionNotFoundError" in facts.names
    asked = refusal.Asked(
        model=model,
        revision=revision,
        file=file,
        endpoint=hub.endpoint(os.environ),
        cache=str(hub.cache_folder(os.environ)),
        token=token_source(),
        near=_near(model),
        branch=commit_now(model) if is_revision else "",
        is_offline=_is_offline(),
        proxy=next((name for name in _PROXIES if os.environ.get(name)), ""),
        now=now,
    )
    reason, sentence = refusal.explain(facts, asked)
    waits = {} if facts.retry_after is None else {hub.RETRY_AFTER: facts.retry_after}
    return JobError(reason, sentence, waits)


_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def token_source() -> str:
    """Say where the token that is sent comes from, never the token; "" when none is sent."""
    for name in hub.TOKENS:
        if os.environ.get(name):
            return name
    from huggingface_hub import get_token

    return "the login (hf auth login)" if get_token() else ""


def commit_now(model: str, branch: str | None = None) -> str:
    """Return the commit that a branch is on the hub now; "" when the hub does not say."""
    from huggingface_hub import HfApi

    try:
        return HfApi().model_info(model, revision=branch).sha or ""
    except Exception:  # whoever asks can do without
        return ""


def _is_offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _near(model: str) -> tuple[str, ...]:
    from difflib import get_close_matches

    known = [name for name in hub.models_in_cache(os.environ) if name != model]
    return tuple(get_close_matches(model, known, n=2, cutoff=0.7))


def _download(listing: Listing, report: Report) -> Path:
    """Let the library fetch the files that are missing, and report every chunk."""
    from huggingface_hub import constants, snapshot_download

    constants.DOWNLOAD_CHUNK_SIZE = CHUNK
    meter = Meter(listing.size, report)
    meter.begin(bytes_here(listing))
    large = [file for file in listing.files if file.sha256]
    with ThreadPoolExecutor(STREAMS, thread_name_prefix="fetch") as pool:
        streams = [pool.submit(_stream, listing, file, meter) for file in large]
        try:
            for stream in as_completed(streams):
                stream.result()
        except BaseException:
            for stream in streams:
                stream.cancel()
            meter.end()
            raise
    folder = snapshot_download(
        listing.model,
        revision=listing.commit,
        allow_patterns=[file.path for file in listing.files],
        tqdm_class=_bar_for(meter, "Reconstructing"),
        cache_dir=hub.cache_folder(os.environ),
    )
    return Path(folder)


def _stream(listing: Listing, file: File, meter: Meter) -> None:
    """Fetch a large file into the cache's own place, going on from what a killed fetch had left.

    The library resumes within one call only: what a process leaves when it dies or is stopped, its
    snapshot download throws away.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    if (_snapshot(listing) / file.path).is_file():
        return
    url = hf_hub_url(listing.model, file.path, revision=listing.commit)
    headers = build_hf_headers()
    found = get_hf_file_metadata(url, headers=headers)
    blob = _blobs(listing) / (found.etag or file.sha256)
    if blob.exists():
        return
    if urlparse(found.location).netloc != urlparse(url).netloc:
        headers.pop("authorization", None)  # the token is for the hub, not for where it stores
    blob.parent.mkdir(parents=True, exist_ok=True)
    part = blob.with_name(blob.name + UNFINISHED)
    if part.exists() and part.stat().st_size > file.size:
        part.unlink()  # it is of no use, whatever it is
    with part.open("ab") as opened:
        http_get(
            found.location,
            opened,
            resume_size=opened.tell(),
            headers=headers,
            expected_size=file.size,
            displayed_filename=file.path,
            tqdm_class=_bar_for(meter),
        )
    part.rename(blob)


class Meter:
    """Counts bytes from several threads and tells them with their rate."""

    def __init__(
        self, total: int, report: Report, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self._report = report
        self._clock = clock
        self._here = 0
        self._is_over = False
        self._lock = threading.Lock()
        self._marks: deque[tuple[float, int]] = deque()

    def begin(self, here: int) -> None:
        """Start from what is here already: it says nothing about the rate."""
        with self._lock:
            self._here = here
            self._marks.clear()
            self._marks.append((self._clock(), here))
            self._report(here, self.total, None)

    def end(self) -> None:
        """Let every stream end at its next chunk: one of them has failed."""
        self._is_over = True

    def add(self, count: int) -> None:
        """Add what came now (negative: what has to come again)."""
        if self._is_over:
            raise JobError(Reason.HUB, "another file could not be fetched")
        with self._lock:
            self._here += count
            now = self._clock()
            self._marks.append((now, self._here))
            while len(self._marks) > 2 and now - self._marks[1][0] > WINDOW_SECONDS:
                self._marks.popleft()
            at, here = self._marks[0]
            rate = (self._here - here) / (now - at) if now - at >= 0.5 else None
            self._report(min(max(0, self._here), self.total), self.total, rate)


def _bar_for(meter: Meter, name: str = "") -> type[Any]:
    """Return the library's own progress hook: a bar that draws nothing and counts bytes.

    Only bars whose description begins with ``name`` count: a snapshot has several.
    """
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
        def __init__(self, *given: Any, **named: Any) -> None:
            named["disable"] = True
            named.pop("name", None)
            self.counts = str(named.get("desc", "")).startswith(name)
            super().__init__(*given, **named)

        def update(self, n: float | None = 1) -> None:
            if self.counts and n:
                meter.add(int(n))

    return Bar


def _whole_bytes(listing: Listing) -> int:
    """Bytes of the listed files that are whole in the cache."""
    folder = _snapshot(listing)
    return sum(file.size for file in listing.files if (folder / file.path).is_file())


def bytes_here(listing: Listing) -> int:
    """Return the bytes of a listing that are in the cache, with what killed fetches have left."""
    left = 0
    for path in _blobs(listing).glob(f"*{UNFINISHED}"):
        try:
            left += path.stat().st_size
        except OSError:
            continue  # it has just become whole
    return _whole_bytes(listing) + left


def _go_online() -> None:
    """Take back what the engine set for those that load: who fetches has to ask the hub.

    A person's own HF_HUB_OFFLINE stays.
    """
    from huggingface_hub import constants

    if os.environ.get(hub.OFFLINE_BY_ENGINE):
        constants.HF_HUB_OFFLINE = False


def _remember_branch(listing: Listing, revision: str | None) -> None:
    """Write down what the branch was: who loads by its name and asks no hub finds it there."""
    if revision == listing.commit:
        return
    place = hub.model_folder(listing.model, os.environ) / "refs" / (revision or hub.BRANCH)
    place.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(place, listing.commit.encode())


def _blobs(listing: Listing) -> Path:
    return hub.model_folder(listing.model, os.environ) / "blobs"


def _snapshot(listing: Listing) -> Path:
    return hub.model_folder(listing.model, os.environ) / "snapshots" / listing.commit


def _refuse_without_room(listing: Listing) -> None:
    folder = hub.cache_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    needed = listing.size - bytes_here(listing)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise JobError(
            Reason.DISK_FULL,
            f"{listing.model} needs {in_words(needed)} more and the cache {folder} has "
            f"{in_words(free)} free: free space there, or set HF_HOME to a larger volume",
        )


def in_words(count: int) -> str:
    """Write bytes: ``15.2 GB``, ``4.8 MB``, ``12 kB``."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1e3:.0f} kB"


def _wrong_files(listing: Listing, folder: Path) -> list[File]:
    """Return the files whose bytes are not those that the hub lists."""
    return [file for file in listing.files if not _is_as_listed(folder / file.path, file)]


def _is_as_listed(path: Path, file: File) -> bool:
    if path.stat().st_size != file.size:
        return False
    with path.open("rb") as opened:
        if file.sha256:
            return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
        if len(file.blob) != 40:
            return True  # nothing to compare with
        data = opened.read()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == file.blob


def _forget(folder: Path, wrong: Sequence[File]) -> None:
    """Take wrong files out of the cache, or the library would believe them."""
    for file in wrong:
        link = folder / file.path
        link.resolve().unlink(missing_ok=True)
        link.unlink(missing_ok=True)


def _refuse_wrong(listing: Listing, wrong: Sequence[File]) -> None:
    if wrong:
        names = ", ".join(file.path for file in wrong)
        _forget(_snapshot(listing), wrong)
        raise JobError(
            Reason.CONFIG,
            f"{names} of {listing.model} came twice with another hash than the hub lists: a proxy "
            "or mirror changes it on the way; fetch it from elsewhere",
        )


@contextmanager
def _alone(model: str, listing: Listing, report: Report) -> Iterator[bool]:
    """Let one process of this machine fetch a model at a time; the others watch it come.

    Yields whether this one had to wait for another.
    """
    folder = hub.model_folder(model, os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    has_waited = False
    with (folder / ".tuilab-fetch.lock").open("a") as lock:
        while not _has_locked(lock.fileno()):
            has_waited = True
            report(min(bytes_here(listing), listing.size), listing.size, None)
            time.sleep(LOCK_SECONDS)
        yield has_waited


def _has_locked(handle: int) -> bool:
    """Whether the lock is ours now; a file system without locks lets everyone pass."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def as_json(found: Fetched) -> Mapping[str, Any]:
    """Return what a job records of it."""
    return {
        "commit": found.commit,
        "bytes": found.size,
        "fetched_bytes": found.came,
        "files": {
            path.name: path.stat().st_size
            for path in sorted(found.folder.iterdir())
            if path.is_file()
        },
    }
