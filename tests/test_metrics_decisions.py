"""The tables of docs/metrics.md: its list of metrics, and each row of its decisions."""

import json
import re
from pathlib import Path

import pytest

from sgleval.metrics import METRICS, Ratio, metric

PAGE = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
NAMES, DECISIONS = PAGE.split("## Decisions")


def rows(text: str) -> list[list[str]]:
    """Return the cells of all rows that begin with a name in backticks."""
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| `")
    ]


def codes(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


@pytest.mark.parametrize("row", rows(DECISIONS), ids=lambda row: " ".join(row[:3]))
def test_a_decision_is_what_the_metrics_do(row):
    names, said, accepted, ratio, _ = row
    (prediction,), (answers, *choices) = (map(json.loads, codes(cell)) for cell in (said, accepted))
    expected = tuple(float(part) for part in ratio.split("/"))
    assert codes(names)
    for name in codes(names):
        assert METRICS[name](prediction, answers, *choices) == pytest.approx(expected), name


def test_the_page_lists_each_metric_as_it_defines_itself():
    expected = [[f"`{m.name}`", m.better or "-", m.definition] for m in METRICS.values()]
    assert rows(NAMES) == expected


def test_the_page_decides_what_was_asked():
    titles = re.findall(r"### (.+)", DECISIONS)
    assert titles == [
        *("Failed samples and empty answers", "Empty references", "Unicode and casing"),
        *("Numbers and amounts", "Dates", "Free text"),
    ]
    assert len(rows(DECISIONS)) > 90


def test_the_example_of_a_metric_works():
    example = re.search(r"```python\n(.*?)```", NAMES, re.DOTALL)[1]
    namespace = {"Ratio": Ratio, "metric": metric}
    exec(example, namespace)
    assert namespace["same_length"]("cat", ["dog"]) == (1, 1)
    assert namespace["same_length"](None, ["dog"]) == (0, 1)
