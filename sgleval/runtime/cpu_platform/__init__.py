"""SGLang's unmodified runtime on torch's own CPU operators, as an SGLang platform plugin.

SGLang calls `activate` (entry point group `sglang.srt.platforms`) in every process that asks for a
platform, whether sgleval started it or not. So this module imports neither sglang nor torch, and
`activate` declines wherever SGLang has a platform of its own.
"""

from __future__ import annotations

import os

PLATFORM = "sgleval.runtime.cpu_platform.platform.TorchCpuPlatform"

FLAGS = ("--device", "cpu", "--attention-backend", "torch_native", "--disable-overlap-schedule")
"""What a server needs to run on this platform at all.

SGLang picks the default attention backend of a CPU before it asks the platform, and that one needs
kernels which no wheel has.
"""

ENVIRONMENT = {
    # Idle threads sleep, as the processes of a server share the cores, but spin for some 20
    # microseconds first: to wake one takes longer than most of a layer's operations.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "1000",
    # glibc keeps what is freed instead of giving it back: the kernel clears each page it hands out
    # again, and a layer's activations take thousands.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "1000000000000",
}
"""Of a server's processes; what the user has set himself goes before it.

On 2 busy cores 80 questions on 20 receipts took a tiny model 12 s with idle threads that sleep and
30 s with libgomp's own way. On 2 free ones 80 questions on 20 pages took a model of 358 million
parameters 16 s with threads that sleep at once and memory that is given back, 13.5 s with this.
"""


def activate() -> str | None:
    """Return the dotted name of our platform, or None to leave the choice to SGLang.

    That is where torch sees an accelerator, or `SGLANG_USE_CPU_ENGINE` asks for SGLang's own CPU
    kernels.
    """
    if os.environ.get("SGLANG_USE_CPU_ENGINE", "").lower() in {"1", "true", "yes", "y"}:
        return None
    import torch

    # cuda is NVIDIA and AMD; accelerator also knows Intel, Ascend and Apple.
    if torch.cuda.is_available() or torch.accelerator.is_available():
        return None
    return PLATFORM
