"""SGLang's own `run_batch` over its own `RuntimeEndpoint`, in a process of its own.

`python benchmarks/stock_run_batch.py URL`: each line of its input is a JSON list of the program's
keyword arguments; each line of its output is the seconds that `run_batch` took for them. Nothing of
sgleval is imported, so SGLang's frontend is the stock one.
"""

import json
import sys
import time

import sglang as sgl
from read_page import read_page

backend = sgl.RuntimeEndpoint(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    rows = json.loads(line)
    began = time.perf_counter()
    states = read_page.run_batch(rows, temperature=0, backend=backend)
    seconds = time.perf_counter() - began
    if failed := [state.error() for state in states if state.error()]:
        sys.exit(f"{len(failed)} requests failed: {failed[0]}")
    print(seconds, flush=True)
