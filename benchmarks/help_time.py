"""How long `sgleval --help` takes, beside Python's own start.

    python benchmarks/help_time.py

The bar is 0.5 s; medians of whole processes.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 11
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "sgleval --help": [str(Path(sys.executable).with_name("sgleval")), "--help"],
    "sgleval run --help": [str(Path(sys.executable).with_name("sgleval")), "run", "--help"],
}


def seconds(command):
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main():
    for command in COMMANDS.values():
        seconds(command)  # warm the disk
    rounds = [{name: seconds(command) for name, command in COMMANDS.items()} for _ in range(RUNS)]
    for name in COMMANDS:
        times = [each[name] for each in rounds]
        print(f"{name:20} {statistics.median(times):.3f} s (from {min(times):.3f} s)")


if __name__ == "__main__":
    main()
