"""The demo model's tokenizer: bytes, merged only into the lower-case words of the questions.

Documents print capitals and digits, which never merge: what the model reads, it spells.
"""

import re
from collections.abc import Iterator

import easy_vqa
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from sgleval.demo.receipts import receipt
from sgleval.demo.render import READ_ALL, pages
from sgleval.demo.scenes import COLORS, SHAPES, scene

VOCABULARY = 512
SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Qwen2-VL's template without its default system text."""


def corpus() -> Iterator[str]:
    """Yield the words that become one token each, with and without a blank before them."""
    words = ["user", "assistant", "system", "You are a helpful assistant.", READ_ALL, "read line"]
    words += [*COLORS, *SHAPES, "small", "large", "yes", "no", *easy_vqa.get_answers()]
    for word in words * 100:
        yield word
        yield f" {word}"
    yield from easy_vqa.get_train_questions()[0]
    for draw in (receipt, scene):
        for _, page in pages(draw, "words", 500):
            yield from (re.sub(r"\b[A-Z]+\b", "", question.text) for question in page.questions)


def build() -> Tokenizer:
    """Train the byte-level merges; every text tokenizes, since all 256 bytes are in."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL),
        min_frequency=20,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(corpus()), trainer)
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer
