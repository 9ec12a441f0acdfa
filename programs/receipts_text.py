"""Rendered receipts, transcribed whole: the printed lines from top to bottom.

Drawn from the run's `--seed`, 200 receipts, the same as those of `receipts.py`.
"""

import sglang as sgl

from sgleval import Dataset, Task
from sgleval.answers import Text
from sgleval.demo.receipts import receipt
from sgleval.demo.render import transcripts_of
from sgleval.metrics import cer

ANSWER = Text(max_tokens=256)


@sgl.function
def read_all(s, image, question):
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(ANSWER.gen("answer"))


def rows(seed):
    """Yield 200 receipts with their transcripts."""
    return transcripts_of(receipt, seed, count=200)


task = Task(
    name="receipts_text",
    dataset=Dataset.generate(rows, name="rendered receipts, transcripts"),
    program=read_all,
    answer=ANSWER,
    metrics=[cer],
)
