"""The task file that `sgleval new` writes."""

import re
from pathlib import Path

from sgleval.errors import UserError

TEMPLATE = '''"""{name}: what is asked here, and about which images."""

import sglang as sgl

from sgleval import Dataset, Task
from sgleval.answers import ShortText
from sgleval.metrics import anls, exact_match

ANSWER = ShortText(max_chars=96)


@sgl.function
def answer_question(s, image, question):
    # First what never changes, then the image, then the question: so an image is computed once.
    s += sgl.user(sgl.image(image) + question + "\\nAnswer with the text only.")
    s += sgl.assistant(ANSWER.gen("answer"))


# {name}/data.jsonl, one row a line; columns that are left over become tags:
# {{"id": "1", "image": "receipt.jpg", "question": "What is the total?", "answers": ["12.50"]}}
task = Task(
    name="{name}",
    dataset=Dataset.files("{name}"),
    program=answer_question,
    answer=ANSWER,
    metrics=[anls, exact_match],
)
'''


def write_task(name: str) -> Path:
    """Write `NAME.py` into the working folder and return its path.

    Raises:
        UserError: the name cannot be a file's, or the file is there.
    """
    stem = name.removesuffix(".py")
    if not re.fullmatch(r"[A-Za-z_][\w-]*", stem):
        raise UserError(f"{name}: give a name of letters, digits, - and _, such as invoices")
    path = Path(f"{stem}.py")
    if path.exists():
        raise UserError(f"{path}: is there already; give another name")
    try:
        path.write_text(TEMPLATE.format(name=stem), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; go to a folder of yours") from error
    return path
