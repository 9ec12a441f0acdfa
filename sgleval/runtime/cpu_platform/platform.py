"""The platform class that SGLang loads by name; only SGLang's own processes import it."""

from __future__ import annotations

import torch
from sglang.srt.platforms.cpu import CpuDeviceMixin
from sglang.srt.platforms.device_mixin import PlatformEnum
from sglang.srt.platforms.interface import PlatformCapabilities, SRTPlatform

from sgleval.runtime.cpu_platform import cached_prefix, vision_attention


class TorchCpuPlatform(CpuDeviceMixin, SRTPlatform):  # type: ignore[misc] # sglang has no types
    """Any CPU, with nothing but what the wheels on the package index hold."""

    _enum = PlatformEnum.OOT
    device_name = "cpu"
    device_type = "cpu"
    capabilities = PlatformCapabilities()  # no triton, no graphs

    def get_default_attention_backend(self) -> str:
        """Name the backend of `F.scaled_dot_product_attention`."""
        return "torch_native"

    def is_pin_memory_available(self, device: object = None) -> bool:  # noqa: ARG002 # SGLang's
        """Pinned memory speeds up copies to a device; here there is none."""
        return False

    def init_backend(self) -> None:
        """Turn `torch.compile` off, once per worker and before it loads a model.

        It would gain nothing here (SGLang compiles rotary embeddings), costs up to 18 s in the
        first request, and ends the server where there is no C++ compiler.
        """
        torch.compiler.set_stance("force_eager")

    def post_load_model(self, model: torch.nn.Module) -> None:  # noqa: ARG002 # SGLang's signature
        """Replace the stock methods that waste a CPU; SGLang calls this once per loaded model."""
        vision_attention.install()
        cached_prefix.install()
