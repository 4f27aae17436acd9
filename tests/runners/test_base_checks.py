"""What makes a base unfit is told before anything runs, and refused by every runner."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from runners import upstream
from runners.ml import adapter, base_checks, base_model, centroids
from runners.ml.chat import Chat
from runners.ml.lora_layers import LoraLayers
from runners.ml.model_cache import LoadedModel
from runners.ml.stage_settings import BaseSettings, LoraSettings, Persona
from runners.upstream import Upstream
from tests.runners.chain import LORA, PERSONAS, Chain, outcome_of
from tests.runners.families import PLAIN, TEMPLATES, tokenizer_with
from tuilab.contract.reasons import Reason
from tuilab.contract.report import JobError


def chat(template: str | None, folds: bool = False, **arguments: Any) -> Chat:
    return Chat(tokenizer_with(template), arguments, folds)


def wrong(found: Chat) -> dict[str, str]:
    return {
        one.name: one.sentence
        for one in base_checks.of_template(found)
        if one.level == base_checks.BLOCKING
    }


@pytest.mark.parametrize(
    ("template", "settings", "name", "words"),
    [
        ("Llama 3", {}, "", ""),
        ("Llama 3 with a date", {}, "template-clock", "date_string"),
        ("Llama 3 with a date", {"date_string": "26 Jul 2024"}, "", ""),
        ("a clock", {}, "template-clock", "writes the date or time"),
        ("Qwen3", {}, "thinking", "enable_thinking = false"),
        ("Qwen3", {"enable_thinking": False}, "", ""),
        ("Qwen3", {"enable_thinkin": False}, "template-args", "knows no enable_thinkin"),
        ("Gemma 2", {}, "system-prompt", r'System role not supported\): set \[base\] system'),
        ("Gemma 2", {"folds": True}, "", ""),
        ("Gemma 3", {}, "", ""),
        ("drops the system role", {}, "system-prompt", 'out: set \\[base\\] system = "fold"'),
        ("drops the system role", {"folds": True}, "", ""),
        ("OLMo", {}, "", ""),
        ("plain words", {}, "end-of-turn", "no token of its own"),
        ("no generation prompt", {}, "generation-prompt", "add_generation_prompt"),
        ("no template", {}, "chat-template", "has no chat template"),
        ("half a template", {}, "chat-template", "cannot be used .*: put one that works"),
        ("too large a range", {}, "chat-template", "cannot be used .*: put one that works"),
    ],
)  # fmt: skip
def test_a_template_that_would_make_results_wrong_blocks_in_one_sentence(
    template: str, settings: Mapping[str, Any], name: str, words: str
) -> None:
    found = wrong(chat(TEMPLATES[template], **settings))
    if not name:
        assert found == {}
        return
    assert name in found and "\n" not in found[name]
    with pytest.raises(JobError, match=words) as caught:
        base_checks.refuse(
            one
            for one in base_checks.of_template(chat(TEMPLATES[template], **settings))
            if one.name == name
        )
    assert caught.value.reason is Reason.CONFIG


@pytest.mark.parametrize(
    ("template", "end"),
    [("Llama 3", "<|im_end|>"), ("Gemma 3", "<|end_of_turn|>"), ("OLMo", "<|im_end|>")],
)
def test_the_end_of_a_turn_is_the_templates_and_not_the_tokenizers_eos(
    template: str, end: str
) -> None:
    found = chat(TEMPLATES[template])
    assert found.tokenizer.decode([found.end_of_turn]) == end


def test_a_folded_prompt_stands_before_the_first_question() -> None:
    text = chat(PLAIN, folds=True).text(
        [{"role": "system", "content": "Be a nurse."}, {"role": "user", "content": "Why?"}]
    )
    assert text.startswith("<|im_start|>user\nBe a nurse.\n\nWhy?<|im_end|>")


def test_personas_must_reach_the_model_each_as_its_own() -> None:
    people = [Persona(key, key, prompt) for key, prompt in PERSONAS.items()]
    [fine] = base_checks.of_personas(chat(PLAIN), people)
    assert fine.level == base_checks.OK
    [twin] = base_checks.of_personas(chat(PLAIN), [*people, Persona("twin", "", people[0].prompt)])
    assert twin.level == base_checks.OK
    [lost] = base_checks.of_personas(chat(TEMPLATES["drops the system role"]), people)
    assert lost.level == base_checks.BLOCKING and lost.sentence.startswith("villain: ")


def test_a_marker_that_scoring_could_not_read_blocks() -> None:
    assert base_checks.of_marker(chat(PLAIN), "[ZLT]").level == base_checks.OK
    assert base_checks.of_marker(chat(PLAIN), "<|im_end|>").level == base_checks.BLOCKING


TINY = {
    "vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "pad_token_id": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("family", "more", "absent"),
    [
        ("Llama", {}, ""),
        ("Qwen3", {}, ""),
        ("Mistral", {}, ""),
        ("Gemma2", {}, ""),
        ("Olmo2", {}, ""),
        ("Gemma3Text", {}, ""),
        ("Phi3", {}, "its linear layers are down_proj, gate_up_proj, o_proj, qkv_proj"),
        ("Mixtral", {"num_local_experts": 2}, "its linear layers are k_proj, o_proj, q_proj"),
        ("Qwen3Moe", {"num_experts": 2, "moe_intermediate_size": 8}, "its linear layers are"),
    ],
)
def test_the_modules_of_a_base_are_known_without_its_weights(
    tmp_path: Path, family: str, more: Mapping[str, Any], absent: str
) -> None:
    getattr(transformers, f"{family}Config")(**TINY, **more).save_pretrained(tmp_path)
    model = base_checks.without_weights(str(tmp_path), BaseSettings(str(tmp_path)))
    assert next(model.parameters()).is_meta
    lora = LoraSettings(**{**LORA, "target_modules": tuple(sorted(LORA["target_modules"]))})
    modules, blocks = base_checks.of_modules(model, [lora], [1])
    assert (modules.level == base_checks.BLOCKING) == bool(absent)
    assert absent in modules.sentence
    assert blocks.level == base_checks.OK
    assert list(base_checks.of_modules(model, [lora], [2]))[1].level == base_checks.BLOCKING


@pytest.mark.parametrize("family", ["GPT2", "GPTNeoX"])
def test_a_model_whose_blocks_are_elsewhere_is_refused_before_anything_runs(family: str) -> None:
    config = getattr(transformers, f"{family}Config")(
        num_hidden_layers=1, hidden_size=8, num_attention_heads=1, vocab_size=32
    )
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    with pytest.raises(JobError, match=rf"{family}.* cannot be found"):
        centroids.decoder_blocks(model)


def test_an_adapter_is_not_trained_on_the_modules_that_happen_to_exist(model: LoadedModel) -> None:
    lora = LoraSettings(4, 8, 0.0, True, ("q_proj", "qkv_proj"))
    with (
        pytest.raises(JobError, match="no modules called qkv_proj"),
        model.attached(LoraLayers(fresh=lora)),
    ):
        pass
    assert adapter.linear_names(model.model)[0] == "down_proj"


def test_every_runner_refuses_an_unfit_template(base_dir: Path, tmp_path: Path) -> None:
    for path in base_dir.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "chat_template.jinja").write_text(TEMPLATES["a clock"] or "")
    with pytest.raises(JobError, match="writes the date or time"):
        base_model.load(BaseSettings(str(tmp_path)))


def test_answers_end_at_the_templates_token_too(model: LoadedModel) -> None:
    found = base_model.neutral_generation(model.model, model.tokenizer, 7)
    assert 7 in found.eos_token_id and model.tokenizer.eos_token_id in found.eos_token_id


def test_inputs_that_another_template_made_are_refused(cell: Chain) -> None:
    place = cell.attempts["data/villain"]
    outcome = outcome_of(place)
    inputs = {"data": [Upstream("data/villain", place, outcome)]}
    upstream.refuse_other_chat(inputs, outcome.checks["chat_template"])
    with pytest.raises(JobError, match="another chat template") as caught:
        upstream.refuse_other_chat(inputs, "f" * 64)
    assert caught.value.reason is Reason.DATA_MISMATCH
