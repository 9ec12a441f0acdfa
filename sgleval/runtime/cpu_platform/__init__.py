"""SGLang's unmodified runtime on torch's own CPU operators, as an SGLang platform plugin.

SGLang calls `activate` (entry point group `sglang.srt.platforms`) in every process that asks for a
platform, whether sgleval started it or not. So this module imports neither sglang nor torch, and
`activate` declines wherever SGLang has a platform of its own.
"""

from __future__ import annotations

import os

PLATFORM = "sgleval.runtime.cpu_platform.platform.TorchCpuPlatform"


def activate() -> str | None:
    """Return the dotted name of our platform; None where an accelerator or a wish says otherwise.

    The wish is `SGLANG_USE_CPU_ENGINE`, which asks for SGLang's own CPU kernels.
    """
    if os.environ.get("SGLANG_USE_CPU_ENGINE", "").lower() in {"1", "true", "yes", "y"}:
        return None
    import torch

    # cuda is NVIDIA and AMD; accelerator also knows Intel, Ascend and Apple.
    if torch.cuda.is_available() or torch.accelerator.is_available():
        return None
    return PLATFORM
