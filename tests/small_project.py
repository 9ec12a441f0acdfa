"""A folder of one's own for a test: data, a task file, and a model that notes what it is asked."""

import json
from pathlib import Path

from conftest import picture

TASK = '''"""A small task."""
import sglang as sgl
from sgleval import Dataset, Sample, Task, grid
from sgleval.answers import Choice, Json, Number, OneOf, ShortText, YesNo
from sgleval.metrics import Ratio, anls, exact_match

ANSWER = {answer}


@sgl.function
def ask(s, image, question):
    s += sgl.user(sgl.image(image) + question)
    s += sgl.assistant(ANSWER.gen("answer"))


{code}
task = Task(name="small", dataset=Dataset.files("data"), {fields})
'''
TOLD = """
@sgl.function
def told(s, image, question, instruction):
    s += sgl.user(sgl.image(image) + question + instruction)
    s += sgl.assistant(ANSWER.gen("answer"))
"""
FIELDS = {"program": "ask", "answer": "ANSWER", "metrics": "[exact_match]"}

MODEL = '''from pathlib import Path
import time

CALLS = Path(__file__).with_name("calls.txt")


class Echo:
    """Answers "Say X now" with X, and notes it."""

    identity = "echo@1"

    def predict(self, images, question, choices{prompt}):
        with CALLS.open("a", encoding="utf-8") as calls:
            calls.write(question + "\\n")
{body}
        return question.split()[1]
'''


class Project:
    """A folder that has what `sgleval run task.py --model model.py:Echo` needs."""

    def __init__(self, folder: Path, samples: int = 3) -> None:
        self.folder = folder
        (folder / "data").mkdir()
        self.data(*map(row, range(samples)))
        self.write_task()
        self.write_model()

    @property
    def task(self) -> Path:
        return self.folder / "task.py"

    @property
    def model(self) -> str:
        return f"{self.folder / 'model.py'}:Echo"

    def data(self, *rows) -> None:
        """Write the rows, and pictures a.png, b.png and c.png for them."""
        for name, color in {"a": "red", "b": "green", "c": "blue"}.items():
            (self.folder / "data" / f"{name}.png").write_bytes(picture(color))
        lines = [one if isinstance(one, str) else json.dumps(one) for one in rows]
        (self.folder / "data" / "data.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write_task(self, code="", answer="ShortText()", **fields) -> None:
        """Write the task file; `code` stands before the task, `fields` become its arguments."""
        given = ", ".join(f"{name}={value}" for name, value in (FIELDS | fields).items())
        self.task.write_text(TASK.format(answer=answer, code=code, fields=given), encoding="utf-8")

    def write_model(self, body="", prompt="") -> None:
        """Write the model; lines of `body` run before it answers."""
        lines = "\n".join(" " * 8 + line for line in body.splitlines())
        (self.folder / "model.py").write_text(MODEL.format(body=lines, prompt=prompt))

    def calls(self) -> list[str]:
        """Return what the model was asked, in order."""
        path = self.folder / "calls.txt"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def row(number, **columns):
    """Return a good row, with columns changed or (None) left out."""
    whole = {
        "id": f"s{number}",
        "image": f"{'abc'[number % 3]}.png",
        "question": f"Say w{number} now",
        "answers": [f"w{number}"],
    }
    return {name: value for name, value in (whole | columns).items() if value is not None}
