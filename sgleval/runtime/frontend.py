"""SGLang's frontend, imported without torch: in one second instead of twelve.

`import sglang` loads torch, triton and transformers, of which the frontend needs nothing (the
server is a process of its own). Two things pull them in: `sglang.srt.utils` and `apply_all()` of
`hf_transformers_patches`. Both are hidden while the package is imported; whoever later asks for a
real name of `sglang.srt.utils` gets the real module. So it is with aiohttp and with IPython's
display, which are half of what is left. SGLang 0.5.23.
"""

import importlib.util
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

UTILS = "sglang.srt.utils"


def import_light() -> bool:
    """Import sglang without torch where that fits; say whether it did.

    It does not fit where sglang or torch is loaded already, or where another release is laid out
    otherwise: then the plain import is taken.
    """
    if "sglang" in sys.modules or "torch" in sys.modules:
        return False
    spec = importlib.util.find_spec("sglang")
    home = Path(next(iter(spec.submodule_search_locations or ()))) if spec else None
    if home is None or not (home / "srt" / "utils" / "hf_transformers_patches.py").is_file():
        return False
    lazy = _lazy_utils(home / "srt" / "utils" / "__init__.py")
    sys.modules[UTILS] = lazy
    hidden = _stand_ins()
    hidden["transformers"] = cast("ModuleType", None)  # apply_all() takes it for not installed
    sys.modules.update(hidden)
    try:
        import sglang
    finally:
        for name in hidden:
            del sys.modules[name]
    sglang.srt.utils = lazy  # as the import system would have set it
    return True


def _stand_ins() -> dict[str, ModuleType]:
    """Return modules that load the real ones of their names when something of them is used."""
    display = ModuleType("IPython.display")
    for name in ("HTML", "display"):  # sglang takes these out of it at once
        setattr(display, name, partial(_call, display.__name__, name))
    aiohttp = ModuleType("aiohttp")
    aiohttp.__getattr__ = lambda name: getattr(import_module("aiohttp"), name)  # type: ignore[method-assign]
    standing = {"IPython": ModuleType("IPython"), "IPython.display": display, "aiohttp": aiohttp}
    return {name: module for name, module in standing.items() if name not in sys.modules}


def _call(module: str, name: str, *given: Any, **named: Any) -> Any:
    return getattr(import_module(module), name)(*given, **named)


def _lazy_utils(path: Path) -> ModuleType:
    """Return `sglang.srt.utils` with its paths set and its code not yet run."""
    spec = importlib.util.spec_from_file_location(UTILS, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    lazy, loader = importlib.util.module_from_spec(spec), spec.loader

    def load(name: str) -> Any:
        if name.startswith("__") or "__getattr__" not in vars(lazy):
            raise AttributeError(f"module {UTILS!r} has no attribute {name!r}")
        del lazy.__getattr__
        from sglang.srt.utils import hf_transformers_patches

        hf_transformers_patches._applied = False  # it ran without transformers
        hf_transformers_patches.apply_all()
        loader.exec_module(lazy)
        return getattr(lazy, name)

    lazy.__getattr__ = load  # type: ignore[method-assign]
    return lazy


LIGHT = import_light()

from sglang.lang.backend.base_backend import BaseBackend  # noqa: E402  (after the light import)
from sglang.lang.backend.runtime_endpoint import RuntimeEndpoint  # noqa: E402
from sglang.lang.chat_template import (  # noqa: E402
    ChatTemplate,
    ChatTemplateStyle,
    chat_template_registry,
)
from sglang.lang.choices import ChoicesDecision  # noqa: E402
from sglang.lang.interpreter import StreamExecutor  # noqa: E402
from sglang.lang.ir import SglFunction, SglSamplingParams  # noqa: E402

__all__ = [
    "LIGHT",
    "BaseBackend",
    "ChatTemplate",
    "ChatTemplateStyle",
    "ChoicesDecision",
    "RuntimeEndpoint",
    "SglFunction",
    "SglSamplingParams",
    "StreamExecutor",
    "chat_template_registry",
    "import_light",
]
