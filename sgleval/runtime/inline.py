"""One program, run in the thread that asks for it.

SGLang's `run(..., use_thread=False)` does so, but a fork still has a thread of its own, which dies
unseen of an error: what the program appends afterwards is never read, and it waits for ever. And a
fork that is never joined may still ask when its program has ended.
"""

import copy
from collections.abc import Mapping
from typing import Any

from sgleval.runtime.frontend import SglSamplingParams, StreamExecutor


class _Sampling(SglSamplingParams):  # type: ignore[misc]  # sglang has no types
    """What a `gen` gets unless it says otherwise; SGLang copies it for each one, deeply."""

    def __deepcopy__(self, memo: object) -> "_Sampling":
        """Copy what can be changed in place; the general way takes ten times as long."""
        del memo
        clone = copy.copy(self)
        for name in ("stop", "stop_token_ids", "stop_regex"):
            if isinstance(value := getattr(self, name), list):
                setattr(clone, name, value.copy())
        return clone


class Executor(StreamExecutor):  # type: ignore[misc]  # sglang has no types
    """SGLang's executor, whose forks go on after an error and are known to who runs the program."""

    errors: list[Exception]
    error_: Exception | None
    forks: list["_Fork"]

    def fork(self, *arguments: Any, **named: Any) -> Any:
        """Fork as SGLang does."""
        children = super().fork(*arguments, **named)
        for child in children:
            child.__class__ = _Fork
            child.errors, child.forks = self.errors, self.forks
        self.forks.extend(children)
        return children

    def _execute(self, expression: Any) -> None:
        if self.errors:  # inside a fork: what would be asked now makes no sense
            raise self.errors[0]
        super()._execute(expression)


def run_inline(
    program: Any,
    arguments: Mapping[str, Any],
    backend: Any,
    sampling: Mapping[str, Any],
    executor: type[Executor] = Executor,
) -> Any:
    """Run a program in this thread; return its executor once its forks have ended, too.

    What fails first is raised, also where that was inside a fork.
    """
    errors: list[Exception] = []
    forks: list[_Fork] = []

    def func(s: Any, **given: Any) -> Any:
        s.stream_executor.__class__ = executor
        s.stream_executor.default_sampling_para.__class__ = _Sampling
        s.stream_executor.errors, s.stream_executor.forks = errors, forks
        return program.func(s, **given)

    watched = copy.copy(program)
    watched.func = func
    try:
        state = watched.run(**arguments, backend=backend, use_thread=False, **sampling)
    except Exception as error:  # noqa: BLE001  (raised below, once the forks have ended)
        errors.append(error)
    finally:
        _end(forks)
    if errors:
        del errors[1:]
        raise errors.pop()  # popped: a cycle of error and frame would keep the images
    return state.stream_executor


class _Fork(Executor):
    """A fork, whose thread notes an error, asks nothing more, and lets nobody wait."""

    def _execute(self, expression: Any) -> None:
        try:
            if self.error_ is None:
                StreamExecutor._execute(self, expression)
                return
        except Exception as error:  # noqa: BLE001  (raised again in the program's thread)
            self.error_ = error.with_traceback(None)  # whose frames hold this executor
            self.errors.append(error)
        for done in list(self.variable_event.values()):
            done.set()


def _end(forks: list[_Fork]) -> None:
    """Wait until all that was asked of the forks is done, and end their threads."""
    for fork in forks:
        fork.end()
    while forks:  # emptied, since each fork knows the list
        forks.pop().worker.join()
