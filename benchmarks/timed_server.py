"""An SGLang server that says how long its model has computed.

`python benchmarks/timed_server.py PARENT FLAGS`; after each batch the file that the environment
variable `FORWARD_SECONDS` names says for how many wall seconds the model has computed prefill and
decoding, and how many batches. On a CPU nothing overlaps, so that is what the batches took. The
server dies with its parent. SGLang's worker processes import this file before they load the model.
"""

from __future__ import annotations

import os
import sys
import time
from functools import wraps
from typing import Any

from sgleval.runtime.cpu_platform import cached_prefix

install = cached_prefix.install


def install_and_time() -> None:
    """Do what the platform does when a model is loaded, and time the model from then on."""
    install()
    from sglang.srt.model_executor.model_runner import ModelRunner

    stock = ModelRunner.forward
    file = os.open(os.environ["FORWARD_SECONDS"], os.O_WRONLY)
    seconds = [0.0, 0.0]
    batches = 0

    @wraps(stock)
    def forward(runner: Any, batch: Any, *args: Any, **options: Any) -> Any:
        nonlocal batches
        began = time.perf_counter()
        try:
            return stock(runner, batch, *args, **options)
        finally:
            seconds[batch.forward_mode.is_decode()] += time.perf_counter() - began
            batches += 1
            line = f"{seconds[0]:20.6f} {seconds[1]:20.6f} {batches:20}\n"
            os.pwrite(file, line.encode(), 0)  # always as long, so in one piece over the last one

    ModelRunner.forward = forward


cached_prefix.install = install_and_time

if __name__ == "__main__":
    from sglang.launch_server import run_server
    from sglang.srt.server_args import prepare_server_args

    from sgleval.runtime.launch import die_with_parent

    die_with_parent(int(sys.argv[1]))
    run_server(prepare_server_args(sys.argv[2:]))
