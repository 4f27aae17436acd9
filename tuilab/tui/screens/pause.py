"""The pause dialog: soft, hard or resume, with what each does to what runs."""

from __future__ import annotations

from tuilab.grid.request import Request
from tuilab.grid.text import count_of
from tuilab.store.snapshot import Snapshot
from tuilab.tui.messages import RequestMade
from tuilab.tui.present.cli_equivalent import command
from tuilab.tui.present.side_pane import running_jobs
from tuilab.tui.present.styled_text import Line
from tuilab.tui.screens.dialog import Question

_SAID = {
    "resume": "asked the engine to resume",
    "soft": "asked for a soft pause: running jobs finish, nothing new starts",
    "hard": "asked for a hard pause: running jobs are suspended",
}


class PauseDialog(Question):
    """Asks how to pause, or whether to resume."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        pause = snapshot.engine.pause
        live = len(running_jobs(snapshot))
        title = f"Paused ({pause})" if pause else "Pause"
        answers = _answers(pause)
        twins = [_twin(snapshot, name) for name, _ in answers]
        super().__init__(title, _words(pause, live), answers, twins)

    def take(self, answer: str) -> None:
        """Turn the answer into a wish."""
        verb = "resume" if answer == "resume" else "pause"
        request = Request(verb, options={} if verb == "resume" else {"mode": answer})
        twin = _twin(self._snapshot, answer)
        self.app.post_message(RequestMade(request, twin, _SAID[answer]))
        self.dismiss(answer)


def _answers(pause: str) -> list[tuple[str, str]]:
    if pause == "hard":
        return [("resume", "Resume")]
    if pause == "soft":
        return [("resume", "Resume"), ("hard", "Hard pause")]
    return [("soft", "Soft pause"), ("hard", "Hard pause")]


def _words(pause: str, live: int) -> list[Line]:
    jobs = count_of(live, "running job")
    if pause:
        wakes: list[Line] = [(("             and continues suspended jobs", "text"),)]
        resume: Line = ((" Resume", "key"), ("      starts queued work again", "text"))
        return [resume, *(wakes if pause == "hard" else [])]
    return [
        ((" Soft pause", "key"), (f"  nothing new starts; {jobs} may finish", "text")),
        ((" Hard pause", "key"), (f"  also suspends {jobs} now; memory stays in use", "text")),
    ]


def _twin(snapshot: Snapshot, answer: str) -> str:
    verb = "resume" if answer == "resume" else "pause"
    words = ["--hard"] if answer == "hard" else []
    return command(verb, snapshot.root, words)
