"""Task: a dataset, a program, an answer type and metrics, in a file with a variable `task`."""

import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from sgleval.answers.answer import Answer
from sgleval.dataset import Dataset
from sgleval.errors import UserError, nearest
from sgleval.metrics import find_metric
from sgleval.metrics.metric import Metric, MetricFunction, as_metric

Extract = Callable[[Mapping[str, str]], str]


@dataclass(frozen=True)
class Task:
    """What is asked, how, and what a right answer is."""

    name: str
    dataset: Dataset
    program: Any
    """An `@sgl.function`; the variable `answer` is the answer unless `extract` says otherwise."""
    answer: Answer
    metrics: Sequence[Metric | MetricFunction]
    """The first one is the headline; a bare function is higher-is-better in [0, 1]."""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"default": {}})
    extract: Extract | None = None
    """A function of the program's variables (name → text) that returns the answer's text."""
    path: Path | None = None
    """The file it was loaded from; relative paths start there."""

    @property
    def measures(self) -> tuple[Metric, ...]:
        """The metrics, the user's bare functions among them."""
        return tuple(as_metric(metric) for metric in self.metrics)

    def __post_init__(self) -> None:
        if not self.variants or not self.metrics:
            raise UserError(f"task {self.name!r}: it needs at least one metric and one variant")

    def with_metrics(self, names: Sequence[str]) -> Self:
        """Return the task with other metrics, by name; the task's own may be named too."""
        own = {metric.name: metric for metric in self.measures}
        return replace(self, metrics=[own.get(name) or find_metric(name) for name in names])

    def with_variants(self, labels: Sequence[str]) -> Self:
        """Return the task with the named variants, or with its first one if none is named."""
        for label in labels:
            if label not in self.variants:
                raise UserError(
                    f"--variant {label}: no such variant; {nearest(label, self.variants)}"
                )
        chosen = labels or [next(iter(self.variants))]
        return replace(self, variants={label: self.variants[label] for label in chosen})

    def with_data(self, path: Path) -> Self:
        """Return the task on another folder or file; `to_sample` stays."""
        return replace(self, dataset=self.dataset.replaced_by_files(path))


def load_task(path: Path) -> Task:
    """Run a task file and return its variable `task`.

    Raises:
        UserError: there is no such file, it fails, or it has no `task`.
    """
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no such file"
        raise UserError(f"{path}: {kind}; give a task file, such as `sgleval new NAME` writes")
    task = getattr(run_file(path), "task", None)
    if not isinstance(task, Task):
        raise UserError(f"{path}: no variable `task` of sgleval.Task; write `task = Task(...)`")
    return replace(task, path=path.resolve(), dataset=task.dataset.located(path.resolve().parent))


def run_file(path: Path) -> Any:
    """Import a Python file by its path, with its folder importable as for `python FILE`.

    Raises:
        UserError: its code fails; the line names file, line and error.
    """
    from sgleval.runtime import frontend  # the light import of sglang, before the file's own

    del frontend
    path = path.resolve()
    if str(path.parent) not in sys.path:  # behind the packages: a task may be named like its data's
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"sgleval_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickling look it up
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    except SyntaxError as error:
        raise UserError(f"{error.filename}:{error.lineno}: {error.msg}; mend it") from error
    except Exception as error:  # a task file is the user's code
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == str(path)
        ]
        where = f"{path}:{lines[-1]}" if lines else str(path)
        raise UserError(f"{where}: {type(error).__name__}: {error}; mend the file") from error
    return module
