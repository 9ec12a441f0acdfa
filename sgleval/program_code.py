"""What a program is: the digest of its code and of all that it reaches in files beside it."""

import ast
import dataclasses
import functools
import inspect
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from sgleval.fingerprint import argument, digest

DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def program_digest(program: Any) -> str:
    """Return the SHA-256 of a program's code and of all that it reaches by name in files beside it.

    Docstrings, comments and positions have no part in it; what an installed package defines counts
    by its name only.
    """
    code = _Code((_file(program.func) or Path.cwd() / "prompt").parent)
    code.reach(program.func)
    return digest([sorted(code.found), argument(dict(program.bind_arguments))])


class _Code:
    """The functions, classes and constants that a program reaches; each one is taken once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: list[str] = []
        self.taken: set[int] = set()

    def reach(self, function: Any) -> None:
        """Take a function or class with all that it names."""
        if id(function) in self.taken:
            return
        self.taken.add(id(function))
        tree, compiled = syntax_tree(function), getattr(function, "__code__", None)
        code = ast.dump(tree) if tree else compiled and _byte_code(compiled)
        self.found.append(digest([function.__qualname__, code]))
        scope = _scope(function)
        for path in _names(tree or compiled):
            if path[0] in scope:
                self._note(".".join(path), _follow(scope[path[0]], path[1:]))

    def _note(self, name: str, value: Any) -> None:
        if isinstance(value, functools.partial):
            self._note(f"{name} arguments", [list(value.args), value.keywords])
        for inner in _inside(value):
            self._note(name, inner)
        if isinstance(value, (FunctionType, type)) and _beside(value, self.folder):
            self.reach(value)
            return
        if _beside(type(value), self.folder):  # an object with methods of the user's
            self.reach(type(value))
        try:
            content = argument(value)
        except TypeError:
            content = _constant(value)
            if isinstance(value, (list, tuple, Mapping)):  # which holds a function, or the like
                items = [*value, *value.values()] if isinstance(value, Mapping) else value
                for position, item in enumerate(items):
                    self._note(f"{name} {position}", item)
        self.found.append(digest([name, content]))


def _inside(value: Any) -> list[Any]:
    """Return the functions inside another program, a partial, a wrapper or a bound method."""
    if isinstance(value, ModuleType):
        return []
    inner = [getattr(value, name, None) for name in ("func", "__wrapped__", "__func__")]
    return [function for function in inner if isinstance(function, FunctionType)]


def _constant(value: Any) -> Any:
    """Return what stands for a constant that no variant may hold, else the name of its kind."""
    try:
        if isinstance(value, (set, frozenset)):
            return {"set": sorted(digest(argument(item)) for item in value)}
        if isinstance(value, re.Pattern):
            return {"pattern": argument(value.pattern), "flags": value.flags}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: argument(getattr(value, f.name)) for f in dataclasses.fields(value)}
            return {"class": type(value).__qualname__, "fields": fields}
    except TypeError:  # something inside has no such text
        pass
    return getattr(value, "__name__", type(value).__qualname__)


def _scope(function: Any) -> dict[str, Any]:
    if isinstance(function, type):
        return dict(vars(sys.modules[function.__module__]))
    return {**function.__globals__, **inspect.getclosurevars(function).nonlocals}


def _follow(value: Any, names: tuple[str, ...]) -> Any:
    """Walk from a module to what is named in it; other values' attributes belong to their class."""
    for name in names:
        if not isinstance(value, ModuleType):
            return value
        value = getattr(value, name, None)
    return value


def _names(code: ast.AST | CodeType | None) -> Iterator[tuple[str, ...]]:
    """Yield each dotted name that is read, as a tuple; of `a.b.c` also its beginnings."""
    if isinstance(code, CodeType):
        yield from ((name,) for name in (*code.co_names, *code.co_freevars))
    for node in ast.walk(code) if isinstance(code, ast.AST) else ():
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value  # noqa: PLW2901  (walks down one chain)
        if isinstance(node, ast.Name):
            yield (node.id, *reversed(names))


def syntax_tree(function: Any) -> ast.AST | None:
    """Return the syntax tree of a function, lambda or class without docstrings.

    None where there is no source: typed at a prompt, or made by `exec`.
    """
    try:
        lines, line = inspect.findsource(function)
        whole = ast.parse("".join(lines))
    except (OSError, TypeError, SyntaxError):
        return None
    name = function.__name__
    if isinstance(function, FunctionType):  # its own code, whatever a wrapper calls itself
        line, name = function.__code__.co_firstlineno - 1, function.__code__.co_name
    found = [node for node in ast.walk(whole) if _defines(node, name, line + 1)]
    for node in ast.walk(tree := ast.Module(found, [])):  # type: ignore[arg-type]  # lambdas, too
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree if found else None


def _defines(node: ast.AST, name: str, line: int) -> bool:
    """Say whether a node defines what is called `name` and begins on that line, decorators too."""
    if isinstance(node, ast.Lambda):
        return name == "<lambda>" and node.lineno == line
    if not isinstance(node, DOCUMENTED) or node.name != name:
        return False
    return line in (node.lineno, *(decorator.lineno for decorator in node.decorator_list))


def _byte_code(code: CodeType) -> list[Any]:
    """Return what stands for a function without source."""
    constants = [_byte_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return [code.co_code.hex(), constants, list(code.co_names)]


def _beside(value: Any, folder: Path) -> bool:
    file = _file(value)
    if file is None or not file.is_relative_to(folder):
        return False
    return not any(file.is_relative_to(home) for home in _installed())


@functools.cache
def _installed() -> tuple[Path, ...]:
    """Return where packages lie: an environment may stand inside the folder of a task file."""
    paths = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    return (*(Path(path).resolve() for path in paths), Path(__file__).resolve().parent)


def _file(value: Any) -> Path | None:
    try:
        return Path(inspect.getfile(value)).resolve()
    except (OSError, TypeError):
        return None
