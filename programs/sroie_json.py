"""SROIE as one request a receipt: all four fields in one constrained JSON object.

Gold is joined from the four rows of an image, so the same folder serves as for `sroie.py`. A field
counts where it equals the gold text (`json_fields_f1`); the table shows each field and the whole.
"""

import json

import sglang as sgl

from sgleval import Dataset, Sample, Task
from sgleval.answers import Json
from sgleval.metrics import json_fields_f1

ANSWER = Json.strings(company=96, date=24, address=160, total=24)
QUESTION = "What are company, date, address and total of this receipt? Answer in JSON."


@sgl.function
def read_receipt(s, image, question):
    s += sgl.system("You read scanned receipts.")
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(ANSWER.gen("answer"))


def to_sample(rows):
    first = rows[0]
    fields = {row["category"]: row["answers"] for row in rows}
    return Sample(
        id=first["id"].removesuffix("-" + first["category"]),
        images=[first["image"]],
        question=QUESTION,
        answers=[json.dumps(fields)],
    )


task = Task(
    name="sroie_json",
    dataset=Dataset.files("data/sroie", to_sample=to_sample, group_by="image"),
    program=read_receipt,
    answer=ANSWER,
    metrics=[json_fields_f1],
)
