"""Evaluate vision-language models on visual question answering with SGLang programs."""

import os
from typing import TYPE_CHECKING, Any

# What polars frees goes back to the system at once: a large run keeps to what it holds.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")

if TYPE_CHECKING:
    from sgleval.dataset import Dataset
    from sgleval.evaluation import evaluate
    from sgleval.results import Run
    from sgleval.sample import Image, Sample
    from sgleval.task import Task
    from sgleval.variants import grid

__all__ = ["Dataset", "Image", "Run", "Sample", "Task", "evaluate", "grid"]

_HOMES = {
    "Dataset": "sgleval.dataset",
    "Image": "sgleval.sample",
    "Run": "sgleval.results",
    "Sample": "sgleval.sample",
    "Task": "sgleval.task",
    "evaluate": "sgleval.evaluation",
    "grid": "sgleval.variants",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that `sgleval --help` stays quick."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'sgleval' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
