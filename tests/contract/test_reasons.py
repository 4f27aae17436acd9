"""Which reason the evidence of a death speaks for."""

from __future__ import annotations

import pytest

from tuilab.contract.reasons import (
    NEXT_ACTION,
    Exit,
    Reason,
    from_exit,
    from_log,
    without_outcome,
)

OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.30 GiB"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (OOM, Reason.GPU_OOM),
        ("RuntimeError: CUBLAS_STATUS_ALLOC_FAILED when calling", Reason.GPU_OOM),
        ("OSError: [Errno 28] No space left on device", Reason.DISK_FULL),
        ("OSError: [Errno 122] Disk quota exceeded", Reason.DISK_FULL),
        ("terminate called after throwing 'std::bad_alloc'", Reason.HOST_OOM),
        ("huggingface_hub.errors.GatedRepoError: 403 Client Error", Reason.AUTH),
        ("RuntimeError: Engine core initialization failed.", Reason.VLLM_INIT),
        ("KeyError: 'villain'", Reason.CODE),
        ("all is well", Reason.UNKNOWN),
    ],
)
def test_a_log_line_names_its_reason(line: str, reason: Reason) -> None:
    assert from_log(["before", line, ""]) == (reason, line)


def test_a_named_cause_outranks_the_traceback_around_it() -> None:
    lines = ["Traceback (most recent call last):", OOM, "ValueError: while handling"]
    assert from_log(lines) == (Reason.GPU_OOM, OOM)


def test_an_empty_log_names_nothing() -> None:
    assert from_log([]) == (Reason.UNKNOWN, "")


@pytest.mark.parametrize(
    ("code", "log", "kills", "reason"),
    [
        (137, [], 1, Reason.HOST_OOM),
        (-9, [], 2, Reason.HOST_OOM),
        (137, [], 0, Reason.KILLED),
        (143, [], 1, Reason.KILLED),
        (137, [OOM], 0, Reason.GPU_OOM),
        (139, ["KeyError: 'x'"], 0, Reason.KILLED),
        (1, ["KeyError: 'x'"], 0, Reason.CODE),
        (1, [], 0, Reason.UNKNOWN),
        (None, [], 0, Reason.UNKNOWN),
        (0, [], 0, Reason.UNKNOWN),
    ],
)
def test_an_exit_is_classified_by_signal_then_by_log(
    code: int | None, log: list[str], kills: int, reason: Reason
) -> None:
    assert from_exit(code, log, kills)[0] is reason


def test_the_signal_is_named() -> None:
    assert from_exit(143, [])[1] == "killed by signal 15 (exit 143)"


def test_every_reason_has_a_next_action() -> None:
    assert set(NEXT_ACTION) == set(Reason)
    assert all(NEXT_ACTION.values())


@pytest.mark.parametrize(
    "exit_code, line, is_lost",
    [
        (1, "OSError: [Errno 116] Stale file handle: 'events.jsonl'", True),
        (1, "OSError: [Errno 107] Transport endpoint is not connected", True),
        (1, "ValueError: a shape does not fit", False),
    ],
)
def test_a_mount_that_went_away_under_a_runner_is_no_fault_of_its_job(
    exit_code: int, line: str, is_lost: bool
) -> None:
    death = without_outcome(Exit(exit_code), [line])
    assert death.is_lost is is_lost and ("mount" in death.detail) is is_lost
