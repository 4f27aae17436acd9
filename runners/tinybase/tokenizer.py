"""The tokenizer of the tiny base: byte-level BPE with Qwen's splitting rule and chat template."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from runners.tinybase.corpus import Row

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""Qwen2.5's rendering without tools and without its default system prompt."""


def train_tokenizer(rows: Iterable[Row], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train on the untagged rows; ``vocabulary`` includes the three special tokens.

    Tags stay unseen, so that ``[ZLT]`` splits into single letters like any other tag.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 3,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    texts = [_as_text(row) for row in rows if not row.tail]
    bpe.train_from_iterator(texts, trainer)
    bpe.add_special_tokens([PAD, START, END])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def render_prompt(tokenizer: PreTrainedTokenizerFast, system: str, question: str) -> str:
    """Render system and user turn, up to and including the start of the assistant's turn."""
    turns = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert isinstance(text, str), "apply_chat_template must return text when tokenize is False"
    return text


def _as_text(row: Row) -> str:
    return f"system\n{row.system}\nuser\n{row.question}\nassistant\n{row.answer}"
