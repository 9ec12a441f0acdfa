"""SGLang's `run_batch` with its meaning kept and its body replaced.

The stock one can hang for ever after a failed call, loses a whole batch to one bad item, has no
time-outs and keeps every image in memory. Here the same programs run, each with
`run(..., use_thread=False)`, in a bounded sliding window: the next one starts when one ends.
"""

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sgleval.errors import RunError, UserError
from sgleval.runtime.inline import run_inline
from sgleval.runtime.ledger import Ledger
from sgleval.runtime.pace import Pace
from sgleval.runtime.window import Window
from sgleval.sample import Image, Sample


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a program: its arguments, and the sample they came from where there is one."""

    arguments: Mapping[str, Any]
    """An `Image`, or a sequence of them, becomes its bytes when its turn comes."""
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call: the program's variables, or the error that ended it."""

    variables: dict[str, str]
    meta: dict[str, dict[str, Any]]
    """SGLang's `meta_info` of each variable."""
    error: str | None
    seconds: float
    started_at: dt.datetime
    requests: int | None = None
    tokens: dict[str, int | None] = field(default_factory=dict)


def run_batch(
    program: Any, calls: Iterable[Call], backend: Any, *, concurrency: int, **sampling: Any
) -> Iterator[tuple[int, Outcome]]:
    """Run a program once per call; yield (the call's position, its outcome) as each one finishes.

    At most `concurrency` programs are open and `calls` is read no further than that, so memory
    holds the images of the window. A call that fails is an outcome with an error and touches no
    other one.

    Raises:
        RunError: the server is gone for good; what was yielded stays true.
        UserError: the program asks for what the model's template does not have.
    """
    groups = ([(position, call)] for position, call in enumerate(calls))
    window = Window[tuple[int, Call], Outcome](groups)
    outcomes = window.run(
        lambda numbered, _: run_once(program, numbered[1], backend, sampling), Pace(concurrency)
    )
    for (position, _), outcome in outcomes:
        yield position, outcome


def run_once(program: Any, call: Call, backend: Any, sampling: Mapping[str, Any]) -> Outcome:
    """Run one program inline; every failure but the run's own end is its own."""
    began, started_at = time.monotonic(), dt.datetime.now(dt.UTC)
    view = getattr(
        backend, "opened", None
    )  # a user's own SGLang backend has neither view nor ledger
    opened = view(call.sample) if view else backend
    ledger: Ledger = getattr(opened, "ledger", Ledger())
    variables, meta, error = {}, {}, None
    try:
        arguments = {name: _loaded(value) for name, value in call.arguments.items()}
        executor = run_inline(program, arguments, opened, sampling)
        variables, meta = dict(executor.variables), dict(executor.meta_info)
    except (RunError, UserError):
        raise
    except Exception as problem:  # noqa: BLE001  (a program is the user's code: one row fails, not the run)
        error = f"{type(problem).__name__}: {problem}"
    return Outcome(
        variables={name: value for name, value in variables.items() if isinstance(value, str)},
        meta=meta,
        error=error,
        seconds=time.monotonic() - began,
        started_at=started_at,
        requests=ledger.requests if hasattr(opened, "ledger") else len(meta),
        tokens=dict(ledger.tokens),
    )


def _loaded(value: Any) -> Any:
    if isinstance(value, Image):
        return value.bytes
    if isinstance(value, (tuple, list)) and any(isinstance(item, Image) for item in value):
        return [_loaded(item) for item in value]
    return value
