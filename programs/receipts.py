"""Rendered receipts: fields to read, and questions that need two of them.

Drawn from the run's `--seed`, 200 receipts and 11 questions each; nothing is downloaded. The demo
model was trained on receipts of the same generator under other seeds.
"""

import sglang as sgl

from sgleval import Dataset, Task, grid
from sgleval.answers import ShortText
from sgleval.demo.receipts import receipt
from sgleval.demo.render import questions_of
from sgleval.metrics import exact_match

ANSWER = ShortText(max_chars=32)
INSTRUCTIONS = {
    "bare": "",
    "terse": " Answer with the text only.",
    "copy": " Copy it exactly as it is printed.",
    "careful": " Read the receipt closely before you answer.",
}


@sgl.function
def read_field(s, image, question, instruction):
    s += sgl.user(sgl.image(image) + question + instruction)
    s += sgl.assistant(ANSWER.gen("answer"))


def rows(seed):
    """Yield the questions of 200 receipts, those of a receipt together."""
    return questions_of(receipt, seed, count=200)


task = Task(
    name="receipts",
    dataset=Dataset.generate(rows, name="rendered receipts"),
    program=read_field,
    answer=ANSWER,
    metrics=[exact_match],
    variants=grid(instruction=INSTRUCTIONS),
)
