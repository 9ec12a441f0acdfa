"""What is wrong with a task's program or metrics, found before the first request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sgleval.answers import JsonSchema
from sgleval.errors import UserError
from sgleval.runtime.record import rehearse

if TYPE_CHECKING:
    from sgleval.metrics.metric import Metric
    from sgleval.plan import Plan
    from sgleval.sample import Sample


def rehearsed(plan: Plan) -> int:
    """Run each variant's program once without a model; return the most gens that one had.

    Raises:
        UserError: it fails before it asks anything, has no variable `answer`, or asks for what the
            model cannot see.
    """
    task, where = plan.task, f"program {plan.task.program.func.__name__}"
    generations = 0
    first = next(plan.samples())
    for metric in task.measures:
        _try_without_answer(metric, first)
    for request in plan.requests():
        if request.sample.id != first.id:
            break
        recorder, outcome = rehearse(task.program, request.call, plan.model.template)
        generations = max(generations, len(recorder.prompts))
        if outcome.error and not recorder.prompts:
            words = " ".join(outcome.error.split())
            raise UserError(f"{where}: {words}; mend it, it failed before its first gen")
        if outcome.error is None and task.extract is None and "answer" not in outcome.variables:
            raise UserError(
                f"{where}: no variable `answer`; name a gen so, or give the task extract="
            )
    plan.model.examine(
        f"{where} generates {generations} times" if generations > 1 else "",
        f"{where} answers in JSON" if isinstance(task.answer.constraint, JsonSchema) else "",
        f"{len(task.variants)} variants are to be compared" if len(task.variants) > 1 else "",
    )
    return generations


def _try_without_answer(metric: Metric, sample: Sample) -> None:
    """Raise `UserError` where a metric cannot score a sample that failed."""
    try:
        metric.of(None, sample)
    except UserError as error:
        raise UserError(
            f"sample {sample.id!r}, had it no answer: {error}; a metric scores None as the worst"
            " value"
        ) from error
