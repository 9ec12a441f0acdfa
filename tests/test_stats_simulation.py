"""benchmarks/statistics.py: its draws, and the module of Python's own whose name it has."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sgleval.stats import interval

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def simulation(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module("simulation")
    sys.modules.pop("simulation")


def test_other_benchmarks_import_statistics_of_pythons_own():
    code = "import statistics, sys; print(statistics.median([1, 2, 4]), statistics.__file__)"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=True)
    assert found.stdout.startswith("2 ")
    assert str(BENCHMARKS) not in found.stdout


def test_the_plain_interval_of_all_looks_is_that_of_the_package(simulation):
    rng = np.random.default_rng(0)
    asked = rng.integers(1, 5, 40).astype(float)
    right = simulation.images(rng, 0.7, asked.astype(int))
    ends = [
        interval(right[:seen], asked[:seen], [str(i) for i in range(seen)], (-9, 9))
        for seen in range(simulation.FIRST_LOOK, 41)
    ]
    values = np.linspace(0.4, 1, 31)
    expected = [any(not low <= value <= high for low, high in ends) for value in values]
    assert [simulation.plain_misses(right, asked, value) for value in values] == expected
    assert 0 < sum(expected) < len(values)


def test_a_run_that_is_looked_at_stops_before_its_end(simulation):
    found = simulation.one_run(np.random.default_rng(1), 0.99, 0.05)
    ever, missed, _, share = found
    assert (ever, missed) == (False, False)
    assert share < 0.5
