"""Imports point one way: a module takes from layers below it and from its own, without a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sgleval

HOME = Path(sgleval.__file__).parent
LAYERS = [
    # what everything may use; `frontend` is SGLang's own, imported without torch
    {"errors", "digests", "sample", "normalize", "runtime.frontend"},
    {"answers", "metrics", "perturb", "stats"},
    {"dataset", "task", "variants", "fingerprint", "program_code", "bind", "demo"},
    {
        "runtime",
        "plan",
        "rehearsal",
        "store",
        "stored",
        "tables",
        "score",
        "ceiling",
        "prompt_tokens",
        "foreign",
        "manifest",
    },
    {"outlook", "cache_check", "compare", "detect"},
    {"report", "dispatch", "sent", "results", "ask", "evaluation", "until", "ablate"},
    {"cli", "new", "__init__"},
]
MODULES = {".".join(p.relative_to(HOME).with_suffix("").parts): p for p in HOME.rglob("*.py")}


def layer(module):
    """Return the number of the layer whose name fits longest."""
    names = [".".join(module.split(".")[:n]) for n in range(module.count(".") + 1, 0, -1)]
    found = [n for name in names for n, layer in enumerate(LAYERS) if name in layer]
    assert found, f"say in LAYERS where {module} stands"
    return found[0]


def imports(module, *, late):
    """Yield what a module of ours imports of ours; `late`: inside functions and for types, too."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for node in ast.walk(tree) if late else tree.body:
        if not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] != "sgleval":
            continue
        base = node.module.removeprefix("sgleval").removeprefix(".")
        for alias in node.names:
            wanted = [f"{base}.{alias.name}".strip("."), base, f"{base}.__init__".strip(".")]
            yield next(name for name in wanted if name in MODULES)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_downwards(module):
    if module == "__init__":  # the package's front door names everything
        return
    for other in imports(module, late=True):
        assert layer(other) <= layer(module), f"{module} imports {other} from above"


def test_no_module_imports_itself_in_a_circle():
    TopologicalSorter({m: set(imports(m, late=False)) - {m} for m in MODULES}).prepare()
