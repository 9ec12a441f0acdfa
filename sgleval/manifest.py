"""run.json: what was run, on what, with what, so that tomorrow's run can be told from today's."""

import datetime as dt
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sgleval.errors import UserError
from sgleval.fingerprint import arguments_of
from sgleval.plan import SAMPLING, Plan
from sgleval.program_code import program_digest

Facts = dict[str, Any]
PACKAGES = ("sgleval", "sglang", "torch", "transformers", "xgrammar", "datasets", "polars", "jiwer")


def environment(folder: Path | None) -> dict[str, Any]:
    """Return package versions, the machine, and the git state of the task's folder."""
    return {
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "git": _git(folder) if folder else None,
    }


def begun(plan: Plan) -> Facts:
    """Return the manifest of a run that starts."""
    task, model = plan.task, plan.model
    return {
        "identity": plan.identity,
        "parts": parts(plan),
        "task": task.name,
        "task_file": task.path and task.path.name,
        "model": {"name": model.name} | model.facts,
        "constraint": "decoding" if is_constrained(plan) else "none",
        "chat_template": {"name": model.template.name, "sha256": model.template.digest},
        "dataset": {
            "name": task.dataset.name,
            "revision": task.dataset.revision,
            "sha256": plan.scan.digest,
            "samples": plan.scan.n,
        },
        "metrics": [metric.name for metric in task.measures],
        "variants": {name: arguments_of(name, given) for name, given in task.variants.items()},
        "perturbations": families(plan),
        "chosen": sum(plan.mask),
        **environment(task.path and task.path.parent),
        "start": now(),
        "end": None,
        "complete": False,
    }


def families(plan: Plan) -> dict[str, str]:
    """Return the family of each perturbation by its full name."""
    return {one.full_name: one.family for one in plan.perturbations}


def is_constrained(plan: Plan) -> bool:
    """Say whether decoding is constrained: by a model that can and an answer type that does."""
    return plan.model.constrained and plan.task.answer.constraint is not None


def ended(summary: Mapping[str, Any]) -> Facts:
    """Return what the end of a run adds to its manifest."""
    counts = {name: summary[name] for name in ("n", "failed")}
    return {"end": now(), "complete": summary["complete"], "counts": counts}


def parts(plan: Plan) -> Facts:
    """Return what the run's identity is made of, by name."""
    return {
        "program": program_digest(plan.task.program),
        "model": plan.model.identity,
        "sampling": SAMPLING,
        "constraint": plan.model.constrained,
        "seed": plan.seed,
    }


def differences(held: Mapping[str, Any], plan: Plan) -> list[str]:
    """Return the names of the parts in which a folder's run differs from a plan."""
    here, there = parts(plan), held.get("parts", {})
    return [name for name, part in here.items() if there.get(name) != part]


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all."""
    beside = path.with_suffix(path.suffix + ".part")
    beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)


def read(path: Path) -> dict[str, Any] | None:
    """Return what a run folder's JSON file holds, or None where there is none.

    Raises:
        UserError: it is not one that sgleval wrote.
    """
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: not written by sgleval; give another folder") from error


def no_run(folder: Path) -> UserError:
    """Return the mistake of naming a folder that holds no finished run."""
    return UserError(f"{folder}: no finished run here; give the folder that `sgleval run` printed")


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next(
        (line.partition(": ")[2] for line in lines if "model name" in line), platform.processor()
    )


def _git(folder: Path) -> dict[str, Any] | None:
    def say(*words: str) -> str | None:
        command = ["git", "-C", str(folder), *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = say("rev-parse", "HEAD")
    if not commit:
        return None
    return {"commit": commit, "dirty": bool(say("status", "--porcelain"))}
