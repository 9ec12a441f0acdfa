"""The scores that three tools reach with the demo model, all by sgleval's metrics.

Random weights guess, so their equal answers would prove nothing. The receipts are those that the
model was trained to read; nothing constrains the answers, since the peers cannot.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import peers_pages
from peers_server import measure, serving
from peers_tools import DOCUMENTED, OURS, Form, Tools

from sgleval.demo import MODEL
from sgleval.demo.receipts import receipt
from sgleval.demo.render import questions_of
from sgleval.metrics import anls, exact_match

if TYPE_CHECKING:
    from collections.abc import Callable

    from sgleval.runtime.server import Server

MAX_TOKENS = 32
ROOM = 32768  # tokens of the cache
ROW = "{:<26} {:>8} {:>12} {:>14} {:>8}"

Answers = dict[str, str]
"""What was answered, by the row's id."""


def compare(tools: Tools, pages: int) -> None:
    """Print each tool's scores, and every answer that is not sgleval's."""
    rows = list(questions_of(receipt, "peers' scores", count=pages))
    ids = [row["id"] for row in rows]
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        folder = Path(name)
        peers_pages.write(rows, folder / "pages", MAX_TOKENS)
        with serving(MODEL, ROOM) as server:
            forms = (OURS, *DOCUMENTED)
            answers = {form.name: ask(tools, server, form, folder, ids) for form in forms}
    ours = answers[OURS.name]
    print(f"the demo model on {len(rows)} questions about {pages} rendered receipts")
    print(ROW.format("", "anls", "exact_match", "other answers", "answers"))
    for form, theirs in answers.items():
        other = sum(theirs.get(row["id"]) != ours.get(row["id"]) for row in rows)
        scores = (score(metric, rows, theirs) for metric in (anls, exact_match))
        cells = (f"{value:.4f}" for value in scores)
        print(ROW.format(form, *cells, other, len(theirs)))
    print_differences(rows, answers)


def ask(tools: Tools, server: Server, form: Form, folder: Path, ids: list[str]) -> Answers:
    """Return what one tool wrote down."""
    out = folder / form.name.replace(" ", "-")
    command = tools.command(form, server.url, folder / "pages", out)
    cost = measure(server, command, tools.environment(form), out)
    print(f"{form.name}: {cost.posts} requests, {cost.failed} failed, {cost.prompt_tokens} tokens")
    return READERS[form.tool](out, ids)


def from_sgleval(out: Path, ids: list[str]) -> Answers:
    """Read a run's table."""
    import polars as pl

    frame = pl.read_parquet(out / "predictions.parquet")
    assert set(frame["sample_id"]) <= set(ids)
    return dict(zip(frame["sample_id"], frame["text"], strict=True))


def from_lmms(out: Path, ids: list[str]) -> Answers:
    """Read lmms-eval's logged samples, which number the rows of the file that it was given."""
    (path,) = out.rglob("*_samples_*.jsonl")
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    said = ((line["doc_id"], line["filtered_resps"]) for line in lines)
    return {ids[row]: text if isinstance(text, str) else text[0] for row, text in said}


def from_evalscope(out: Path, ids: list[str]) -> Answers:
    """Read evalscope's predictions, which number the rows likewise."""
    (path,) = out.rglob("predictions/**/general_vqa_rows.jsonl")
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    return {
        ids[line["index"]]: line["model_output"]["choices"][0]["message"]["content"]
        for line in lines
    }


READERS: dict[str, Callable[[Path, list[str]], Answers]] = {
    "sgleval": from_sgleval,
    "lmms-eval": from_lmms,
    "evalscope": from_evalscope,
}


def score(
    metric: Callable[..., tuple[float, float]], rows: list[peers_pages.Row], said: Answers
) -> float:
    """Return the value of a metric; a row without an answer scores the worst."""
    ratios = [metric(said.get(row["id"]), row["answers"]) for row in rows]
    return sum(r[0] for r in ratios) / sum(r[1] for r in ratios)


def print_differences(rows: list[peers_pages.Row], answers: dict[str, Answers]) -> None:
    """Print the questions on which the tools do not agree."""
    for row in rows:
        said = {form: theirs.get(row["id"]) for form, theirs in answers.items()}
        if len(set(said.values())) > 1:
            print(f"{row['id']} {row['question']} {row['answers'][0]!r}: {said}")
