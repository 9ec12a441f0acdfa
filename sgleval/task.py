"""Task: a dataset, a program, an answer type and metrics, in a file with a variable `task`."""

import ast
import functools
import importlib.util
import os
import sys
import traceback
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from sgleval.answers.answer import Answer
from sgleval.dataset import Dataset
from sgleval.errors import UserError, nearest
from sgleval.metrics import METRICS
from sgleval.metrics.metric import Metric, MetricFunction, Ratio, as_metric

Extract = Callable[[Mapping[str, str]], str]
_folders: set[str] = set()
"""The folders of files that were run, which `_make_importable` put into `sys.path`."""


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

    @cached_property
    def measures(self) -> tuple[Metric, ...]:
        """The metrics, the user's bare functions among them; whatever fails in one is named."""
        return tuple(_guarded(as_metric(metric)) for metric in self.metrics)

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise UserError(f"task {self.name!r}: {problem}")

    def answer_of(self, variant: str) -> Answer:
        """Return the answer type of a variant: the one among its arguments, else the task's."""
        given = _answer_types(self.variants[variant])
        return given.get("answer") or next(iter(given.values()), self.answer)

    def with_metrics(self, names: Sequence[str]) -> Self:
        """Return the task with other metrics, by name; the task's own may be named too."""
        known = METRICS | {metric.name: metric for metric in self.measures}
        for name in names:
            if name not in known:
                raise UserError(f"--metric {name}: no such metric; {nearest(name, known)}")
        return replace(self, metrics=[known[name] for name in dict.fromkeys(names)])

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


def _problem(task: Task) -> str | None:
    """Return what is wrong with a task's own fields: what to write instead, or None."""
    if not task.name or set(task.name) & set("/\\"):
        return "the name is a folder's, too; give one without slashes"
    if not hasattr(task.program, "bind_arguments"):
        return f"program is {task.program!r:.60}; put @sgl.function above the function"
    if isinstance(task.answer, type) or not hasattr(task.answer, "parse"):
        return f"answer is {task.answer!r:.60}; give an answer type's value, such as ShortText()"
    return _problem_of_variants(task.variants) or _problem_of_metrics(task)


def _problem_of_variants(variants: Mapping[str, Mapping[str, Any]]) -> str | None:
    if not variants:
        return "variants is empty; give at least one"
    for label, arguments in variants.items():
        given = _answer_types(arguments)
        if len(given) > 1 and "answer" not in given:
            return (
                f"variant {label!r} binds the answer types {', '.join(given)}; name the one that"
                " reads the answer `answer`"
            )
    return None


def _answer_types(arguments: Mapping[str, Any]) -> dict[str, Answer]:
    """Return the arguments that are answer types, by name."""
    return {
        name: value
        for name, value in arguments.items()
        if hasattr(value, "parse") and not isinstance(value, type)
    }


def _problem_of_metrics(task: Task) -> str | None:
    if not isinstance(task.metrics, Sequence) or not all(map(_is_metric, task.metrics)):
        return f"metrics is {task.metrics!r:.60}; give a list of functions of sgleval.metrics"
    names = [metric.name for metric in task.measures]
    if len(set(names)) < len(names) or not names:
        return f"its metrics are {names}; give at least one, each with a name of its own"
    return None


def _is_metric(value: object) -> bool:
    return isinstance(value, Metric) or (callable(value) and hasattr(value, "__name__"))


def _guarded(metric: Metric) -> Metric:
    """Turn what fails inside a metric, which may be the user's code, into one line."""
    function = metric.function
    if function.__module__.startswith("sgleval."):
        return metric

    @functools.wraps(function)  # its signature says whether it takes choices
    def guarded(*args: Any, **kwargs: Any) -> Ratio:
        try:
            share = function(*args, **kwargs)
        except Exception as error:
            words = " ".join(str(error).split())
            raise UserError(f"metric {metric.name}: {type(error).__name__}: {words}") from error
        if not isinstance(share, tuple) or len(share) != len(Ratio._fields):
            raise UserError(f"metric {metric.name} returned {share!r:.60}; return a Ratio")
        return Ratio(*share)

    return replace(metric, function=guarded)


def load_task(path: Path) -> Task:
    """Run a task file and return its variable `task`.

    Raises:
        UserError: there is no such file, it fails, or it has no `task`.
    """
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no such file"
        raise UserError(f"{path}: {kind}; give a task file, such as `sgleval new NAME` writes")
    module = run_file(path)
    _refuse_repeated_labels(path)
    task = getattr(module, "task", None)
    if not isinstance(task, Task):
        raise UserError(f"{path}: no variable `task` of sgleval.Task; write `task = Task(...)`")
    return replace(task, path=path.resolve(), dataset=task.dataset.located(path.resolve().parent))


def _refuse_repeated_labels(path: Path) -> None:
    """Raise `UserError` where a dict of the file names a key twice: Python drops a variant so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        keys = [k.value for k in getattr(node, "keys", ()) if isinstance(k, ast.Constant)]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise UserError(
                f"{path}:{node.lineno}: {twice!r} stands twice in one dict; rename one of the two"  # type: ignore[attr-defined]
            )


def run_file(path: Path) -> Any:
    """Import a Python file by its path, with its folder importable as for `python FILE`.

    Raises:
        UserError: its code fails; the line names file, line and error.
    """
    from sgleval.runtime import frontend  # the light import of sglang, before the file's own

    del frontend
    path = path.resolve()
    _make_importable(path.parent)
    name = f"sgleval_file_{path.stem}_{zlib.crc32(os.fsencode(path)):08x}"  # not another's module
    spec = importlib.util.spec_from_file_location(name, path)
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
        words = " ".join(str(error).split())
        raise UserError(f"{where}: {type(error).__name__}: {words}; mend the file") from error
    return module


def _make_importable(folder: Path) -> None:
    """Let a file import those beside it.

    The folder stands behind the packages, since a task may be named like its data's, and before
    other files' folders, whose modules give way to its own of the same name.
    """
    others = [path for path in _folders if path != str(folder)]
    for beside in folder.glob("*.py"):
        loaded = getattr(sys.modules.get(beside.stem), "__file__", None)
        if loaded and str(Path(loaded).parent) in others:
            del sys.modules[beside.stem]
    if str(folder) in sys.path and str(folder) not in _folders:  # the user's own order
        return
    _folders.add(str(folder))
    sys.path[:] = [path for path in sys.path if path != str(folder)]
    first = next((at for at, path in enumerate(sys.path) if path in others), len(sys.path))
    sys.path.insert(first, str(folder))
