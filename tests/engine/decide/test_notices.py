"""What people hear of, and that they hear of it once, whatever engine tells them."""

from __future__ import annotations

from tests.engine.facts_of import Story, worker
from tuilab.engine.decide.facts import Disk
from tuilab.engine.decide.notices import news
from tuilab.grid.limits import LIMIT

JOB = "data/villain"


def kinds(story: Story, **facts: object) -> list[str]:
    return [one.kind for one in news(story.facts(**facts))]


def tell(story: Story, **facts: object) -> Story:
    for one in news(story.facts(**facts)):
        story.tell("notified", what=one.about or one.kind, verb=one.kind, title="t", text="x")
    return story


def test_the_end_is_told_once_for_each_run() -> None:
    story = Story().want(JOB)
    assert kinds(story) == []
    story.claim(JOB)
    assert kinds(story) == []
    story.settle(JOB)
    assert kinds(story) == ["done"]
    assert kinds(tell(story)) == []
    story.want(JOB)
    assert kinds(story) == []
    story.make(JOB)
    assert kinds(story) == ["done"]


def test_only_the_first_failure_of_a_run_is_told_and_none_that_is_retried() -> None:
    story = Story().want(JOB, "data/nurse").claim(JOB)
    story.tell("wanted", jobs={JOB: 2}, verb="retry", by="engine")
    story.settle(JOB, "failed", reason="killed", detail="by SIGKILL")
    assert kinds(story) == []
    story.claim(JOB).settle(JOB, "failed", reason="gpu-oom", detail="CUDA out of memory")
    [told] = news(story.facts())
    assert (told.kind, told.text) == ("failed", "data/villain failed (gpu-oom): CUDA out of memory")
    tell(story)
    story.claim("data/nurse").settle("data/nurse", "failed", reason="code")
    assert kinds(story) == ["done"]
    tell(story)
    story.want(JOB).claim(JOB).settle(JOB, "failed", reason="code")
    assert kinds(story) == ["failed", "done"]


def test_a_stall_is_told_once_for_each_attempt() -> None:
    story = Story().want(JOB).claim(JOB)
    silent = {JOB: story.attempt(JOB, is_called_stalled=True)}
    assert kinds(story, attempts=silent, workers=[worker(queue=(JOB,))]) == ["stalled"]
    tell(story, attempts=silent)
    assert kinds(story, attempts=silent) == []


def test_a_pause_of_the_engine_is_told_and_that_of_a_person_is_not() -> None:
    story = Story().want().tell("paused", mode="soft", by="engine", why="the disk was full")
    assert [one.text for one in news(story.facts())] == ["the disk was full"]
    assert kinds(tell(story)) == []
    story.tell("resumed", by="ann@pod")
    assert kinds(story) == []
    story.tell("paused", mode="soft", by="ann@pod")
    assert kinds(story) == []
    story.tell("paused", mode="soft", by=LIMIT, why="until 06:00: nothing more would end in time")
    assert kinds(story) == ["paused"]


def test_too_little_disk_is_told_once_until_something_was_started_again() -> None:
    story, full = Story().want(JOB), Disk(free=0)
    assert kinds(story, disk=full) == ["paused"]
    tell(story, disk=full)
    assert kinds(story, disk=full) == []
    story.claim(JOB).settle(JOB).want(JOB)
    assert kinds(story, disk=full) == ["paused"]


def test_the_engine_that_follows_tells_that_one_died() -> None:
    story = Story().tell("engine-started", pid=1, host="pod", go=True)
    assert kinds(story) == []
    story.tell("engine-started", pid=2, host="pod", go=True, died="pid 1")
    assert kinds(story) == ["gone"]
    assert kinds(tell(story)) == []
