"""An SGLang server that keeps the stock attention over a cached prefix beside ours.

`python benchmarks/cached_prefix_server.py PARENT FLAGS`; while the file that the environment
variable `STOCK_WHILE` names exists, prompts go through SGLang's own method, else through ours. So
both run in one process, on one model and one cache, request by request in turns. It dies with its
parent. SGLang's worker processes import this file before they load the model.
"""

from __future__ import annotations

import os
import sys
from functools import wraps
from pathlib import Path
from typing import Any

from sgleval.runtime.cpu_platform import cached_prefix

STOCK_WHILE = Path(os.environ["STOCK_WHILE"])
new_rows = cached_prefix.new_rows


def switched(stock: cached_prefix.Extend) -> cached_prefix.Extend:
    ours = new_rows(stock)

    @wraps(stock)
    def extend(*args: Any, **options: Any) -> Any:
        return (stock if STOCK_WHILE.exists() else ours)(*args, **options)

    return extend


cached_prefix.new_rows = switched

if __name__ == "__main__":
    from sglang.launch_server import run_server
    from sglang.srt.server_args import prepare_server_args

    from sgleval.runtime.launch import die_with_parent

    die_with_parent(int(sys.argv[1]))
    run_server(prepare_server_args(sys.argv[2:]))
