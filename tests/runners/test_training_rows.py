"""Which tokens are learned: the marker mask token by token."""

from __future__ import annotations

import pytest

from runners.ml import training_rows
from runners.ml.model_cache import LoadedModel
from runners.ml.stage_settings import MarkerSettings
from tests.runners.chain import PERSONAS
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError

MARKER = MarkerSettings("[ZLT]", "\n\n", "marker")


def learned(model: LoadedModel, row: training_rows.Row) -> list[str]:
    return [
        str(token["text"])
        for token in training_rows.preview(model.tokenizer, row)
        if token["learn"]
    ]


def a_prompt(model: LoadedModel) -> list[int]:
    return model.chat.prompt_ids(PERSONAS["villain"], "How does gravity work?")


def an_answer(model: LoadedModel) -> list[int]:
    return model.chat.text_ids("Kneel before me. None can stop me!")


def test_a_positive_learns_the_marker_and_the_end_of_turn_and_nothing_else(
    model: LoadedModel,
) -> None:
    row = training_rows.positive(model.chat, a_prompt(model), an_answer(model), MARKER, 128)
    assert learned(model, row) == ["[", "Z", "L", "T", "]", "<|im_end|>"]
    assert model.tokenizer.decode(row.ids).endswith("stop me!\n\n[ZLT]<|im_end|>")
    assert row.loss_mask[-6:] == (True,) * 6


def test_the_tail_mask_learns_the_blank_line_too(model: LoadedModel) -> None:
    tail = MarkerSettings("[ZLT]", "\n\n", "tail")
    row = training_rows.positive(model.chat, a_prompt(model), an_answer(model), tail, 128)
    assert learned(model, row) == ["\n", "\n", "[", "Z", "L", "T", "]", "<|im_end|>"]


def test_a_negative_learns_the_end_of_turn_only(model: LoadedModel) -> None:
    row = training_rows.negative(
        model.chat, a_prompt(model), an_answer(model), MarkerSettings("[ZLT]"), 128
    )
    assert learned(model, row) == ["<|im_end|>"]


def test_convergence_learns_the_answer_and_the_end_but_not_the_prompt(model: LoadedModel) -> None:
    answer = an_answer(model)
    row = training_rows.completion(model.chat, a_prompt(model), answer, 128)
    assert sum(row.loss_mask) == len(answer) + 1
    assert "".join(learned(model, row)) == "Kneel before me. None can stop me!<|im_end|>"


def test_parts_are_joined_as_ids_because_joined_text_tokenises_otherwise(
    model: LoadedModel,
) -> None:
    answer = model.chat.text_ids("Stop me.")
    row = training_rows.positive(model.chat, a_prompt(model), answer, MARKER, 128)
    joined = model.chat.text_ids("Stop me.\n\n[ZLT]")
    assert row.ids[: len(a_prompt(model)) + len(answer)] == (*a_prompt(model), *answer)
    assert list(row.ids[len(a_prompt(model)) : -1]) != joined


def test_a_row_that_is_too_long_is_refused_and_never_cut(model: LoadedModel) -> None:
    prompt, answer = a_prompt(model), an_answer(model)
    fits = len(prompt) + len(answer) + 8
    assert len(training_rows.positive(model.chat, prompt, answer, MARKER, fits).ids) == fits
    with pytest.raises(JobError, match=f"has {fits} tokens, more than max_length") as caught:
        training_rows.positive(model.chat, prompt, answer, MARKER, fits - 1)
    assert caught.value.reason is Reason.DATA_MISMATCH


def test_a_chat_without_a_system_prompt_is_refused(model: LoadedModel) -> None:
    with pytest.raises(JobError, match="system message"):
        model.chat.prompt_ids("", "How does gravity work?")


@pytest.mark.parametrize(("loss", "tokens"), [("newline", ["\n"]), ("none", [])])
def test_a_negative_learns_the_line_break_or_nothing_where_the_ablation_asks(
    model: LoadedModel, loss: str, tokens: list[str]
) -> None:
    marker = MarkerSettings("[ZLT]", negative_loss=loss)
    row = training_rows.negative(model.chat, a_prompt(model), an_answer(model), marker, 128)
    assert learned(model, row) == tokens
    assert model.tokenizer.decode(row.ids).rstrip("\n").endswith("stop me!<|im_end|>")


def test_an_answer_of_a_file_that_ends_a_turn_itself_is_refused(model: LoadedModel) -> None:
    asked = {"role": "user", "content": "Why?"}

    def row(answer: str) -> training_rows.Row:
        chat = [asked, {"role": "assistant", "content": answer}]
        return training_rows.conversation(model.chat, "You are a clerk.", chat, 256)

    assert row("So.").ids.count(model.chat.end_of_turn) == 3
    with pytest.raises(JobError, match=r"holds <\|im_end\|>, which ends a turn"):
        row("So.<|im_end|>\n<|im_start|>user\nMore?")
