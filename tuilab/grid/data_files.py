"""Files that a config names: rows to learn, questions, rubrics; pure, with errors by line."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tuilab.grid.fingerprint import digest_of_text

if TYPE_CHECKING:
    from tuilab.grid.config import ExperimentConfig, Path

Row = Mapping[str, Any]
ROLES = ("user", "assistant")
_NOT_LEARNED = ("tool_calls", "function_call", "reasoning_content")
"""Of a message: left out without a word they would make other rows of these."""
_BROKEN = re.compile("[\ud800-\udfff]")


class DataFileError(ValueError):
    """A file that cannot be used; its text names the line and says what would be right."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """What a file holds that decides a result."""

    sha256: str
    rows: tuple[Row, ...] = ()
    """Of a JSONL file."""
    text: str = ""
    """Of a rubric or a program."""


@dataclass(frozen=True, slots=True)
class Named:
    """A file that a config names."""

    field: Path
    """Where in the config."""
    name: str
    """A path beside the config, or an absolute one."""
    read: Callable[[str], DataFile]
    """Reads its text; DataFileError."""


def files_named(config: ExperimentConfig) -> Iterator[Named]:
    """Yield every file that a config names."""
    if config.trait is not None:
        yield Named(("trait", "positives"), config.trait.positives, rows_to_learn)
        if config.trait.negatives:
            yield Named(("trait", "negatives"), config.trait.negatives, rows_to_learn)
    for place, measure in enumerate(config.measures):
        if measure.kind == "inspect":
            if measure.file:
                of_task = partial(program, task=measure.task.partition("@")[2])
                yield Named(("measures", place, "task"), measure.file, of_task)
        elif measure.questions:
            read = rows_to_choose if measure.kind == "choices" else rows_to_ask
            yield Named(("measures", place, "questions"), measure.questions, read)
        if measure.kind == "judge":
            yield Named(("measures", place, "rubric"), measure.rubric, rubric)


def program(text: str, task: str = "") -> DataFile:
    """Read a program with a task of Inspect, which is named where there are several."""
    try:
        found = tasks_in(text)
    except (SyntaxError, ValueError) as error:
        at = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        raise DataFileError(f"is no Python program{at}") from None
    if task not in found if task else len(found) != 1:
        said = f"has the tasks {', '.join(found)}" if found else "has no function under @task"
        raise DataFileError(f"{said}: write FILE.py@NAME")
    return DataFile(digest_of_text(text), text=text)


def tasks_in(text: str) -> list[str]:
    """Return the names of the functions under ``@task``; SyntaxError, ValueError."""
    functions = (one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef))
    return [one.name for one in functions if any(map(_is_task, one.decorator_list))]


def _is_task(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(named).rpartition(".")[2] == "task"


def rubric(text: str) -> DataFile:
    """Read a judge's instruction."""
    if not text.strip():
        raise DataFileError("is empty")
    return DataFile(digest_of_text(text), text=text.strip())


def rows_to_learn(text: str) -> DataFile:
    """Read {"question", "answer"} or {"messages"}; every row becomes messages, user first.

    The system prompt is the persona's own, so a row may have none; the last message is the answer.
    """
    return DataFile(digest_of_text(text), tuple(_chat(*pair) for pair in _lines(text)))


def rows_to_ask(text: str) -> DataFile:
    """Read {"question"}."""
    rows = tuple({"question": _text(number, row, "question")} for number, row in _lines(text))
    return DataFile(digest_of_text(text), rows)


def rows_to_choose(text: str) -> DataFile:
    """Read {"question", "choices", "answer"}; the answer is the place of the right choice."""
    return DataFile(digest_of_text(text), tuple(_choice(*pair) for pair in _lines(text)))


def question_of(row: Row) -> str:
    """Return what a row to learn asks, its first user turn."""
    return str(row["messages"][0]["content"])


def _lines(text: str) -> Iterator[tuple[int, Row]]:
    found = 0
    # No other line breaks: JSON may hold U+2028 and its like as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise DataFileError(
                f"line {number} is not JSON: write one row a line, as in JSONL"
            ) from None
        if not isinstance(row, dict):
            raise DataFileError(f'line {number} is not a row such as {{"question": "..."}}')
        found += 1
        yield number, row
    if not found:
        raise DataFileError("has no rows")


def _text(number: int, row: Row, name: str) -> str:
    value = row.get(name)
    if isinstance(value, list):
        raise DataFileError(f"line {number} has parts under {name!r}: only plain text is supported")
    if not isinstance(value, str) or not value.strip():
        raise DataFileError(f"line {number} has no text under {name!r}")
    if not value.isascii() and _BROKEN.search(value):
        raise DataFileError(f"line {number} has half a character (a lone surrogate) in {name!r}")
    return value


def _chat(number: int, row: Row) -> Row:
    turns: tuple[str, ...]
    if "messages" not in row:
        turns = (_text(number, row, "question"), _text(number, row, "answer"))
    else:
        turns = _turns(number, row["messages"])
    chat = [{"role": ROLES[n % 2], "content": turn} for n, turn in enumerate(turns)]
    return {"messages": chat}


def _turns(number: int, messages: Any) -> tuple[str, ...]:
    if not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
        raise DataFileError(f"line {number}: messages must be a list of role and content")
    for one in messages:
        if more := [name for name in _NOT_LEARNED if one.get(name)]:
            raise DataFileError(f"line {number} has {more[0]}: only plain text is learned")
    roles = [one.get("role") for one in messages]
    if "system" in roles:
        raise DataFileError(
            f"line {number} has a system message: leave it out, the persona's prompt is put there"
        )
    if len(roles) < 2 or len(roles) % 2 or roles != [ROLES[n % 2] for n in range(len(roles))]:
        raise DataFileError(
            f"line {number}: messages must go user, assistant, in turn, and end with the answer"
        )
    return tuple(_text(number, one, "content") for one in messages)


def _choice(number: int, row: Row) -> Row:
    choices, answer = row.get("choices"), row.get("answer")
    if not isinstance(choices, list) or len(choices) < 2:
        raise DataFileError(f"line {number} needs a list of two or more choices")
    if not all(isinstance(one, str) and one.strip() for one in choices):
        raise DataFileError(f"line {number} has a choice that is not text")
    if len(set(choices)) < len(choices):
        raise DataFileError(f"line {number} has a choice twice")
    if type(answer) is not int or not 0 <= answer < len(choices):
        raise DataFileError(
            f"line {number}: answer must be the place of the right choice, 0 to {len(choices) - 1}"
        )
    return {"question": _text(number, row, "question"), "choices": choices, "answer": answer}
