"""An SGLang server that keeps the stock attention over cached tokens beside ours.

`python benchmarks/cached_prefix_server.py PARENT FLAGS`; while the file that the environment
variable `STOCK_WHILE` names exists, attention is SGLang's own, else ours. So both run in one
process, on one model and one cache, request by request in turns. It dies with its parent. SGLang's
worker processes import this file before they load the model.
"""

from __future__ import annotations

import os
import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgleval.runtime.cpu_platform import cached_prefix

if TYPE_CHECKING:
    from collections.abc import Callable

    from sgleval.runtime.cpu_platform.cached_prefix import Forward

STOCK_WHILE = Path(os.environ["STOCK_WHILE"])


def switched(replace: Callable[[Forward], Forward]) -> Callable[[Forward], Forward]:
    """Return a `replace` whose methods look at every call which of both it shall be."""

    def replacement(stock: Forward) -> Forward:
        ours = replace(stock)

        @wraps(stock)
        def either(*args: Any, **options: Any) -> Any:
            return (stock if STOCK_WHILE.exists() else ours)(*args, **options)

        return either

    return replacement


cached_prefix.new_rows = switched(cached_prefix.new_rows)
cached_prefix.next_row = switched(cached_prefix.next_row)

if __name__ == "__main__":
    from sglang.launch_server import run_server
    from sglang.srt.server_args import prepare_server_args

    from sgleval.runtime.launch import die_with_parent

    die_with_parent(int(sys.argv[1]))
    run_server(prepare_server_args(sys.argv[2:]))
