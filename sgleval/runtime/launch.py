"""Become an SGLang server that dies with the process which started it.

`python -m sgleval.runtime.launch PARENT FLAGS` asks the kernel (Linux) to end it when its parent
is gone, also after `kill -9`, and turns into `sglang.launch_server`. SGLang's own children follow
their parent the same way.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask for SIGKILL when the parent ends; leave at once where it has ended already."""
    with contextlib.suppress(
        OSError, AttributeError
    ):  # not Linux: the parent's own clean-up remains
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.executable, [sys.executable, "-m", "sglang.launch_server", *sys.argv[2:]])
