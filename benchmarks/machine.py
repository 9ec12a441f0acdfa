"""What the machine is that figures were measured on; ratios hold elsewhere, seconds do not."""

import os
from pathlib import Path


def cpu_flags() -> str:
    """Return which of the instructions that decide about bfloat16 this machine has."""
    known = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return " ".join(flag for flag in ("avx512_bf16", "amx_bf16") if flag in known) or "no bf16"


def described() -> str:
    """Return the cores, these instructions, and the load."""
    return f"{os.cpu_count()} cores, {cpu_flags()}, load {os.getloadavg()[0]:.1f}"
