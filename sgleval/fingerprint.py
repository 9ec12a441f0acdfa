"""What makes two answers the same: digests of a program's code, of arguments and of samples."""

import ast
import hashlib
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from sgleval.errors import UserError
from sgleval.sample import Image, Sample

PLAIN = (str, int, float, bool, type(None))


def digest(value: Any) -> str:
    """Return the SHA-256 in hex of a value that JSON can write."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def argument(value: Any) -> Any:
    """Return what stands for a value in a digest.

    Raises:
        TypeError: no text says tomorrow what this value is today.
    """
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, bytes):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    if isinstance(value, Image):
        return {"image": value.digest}
    if isinstance(value, Mapping):
        return {"dict": [[argument(key), argument(item)] for key, item in value.items()]}
    if isinstance(value, (tuple, list)):
        return [argument(item) for item in value]
    if hasattr(value, "constraint"):  # an answer type: class, fields and constraint
        return {"answer": repr(value), "constraint": repr(value.constraint)}
    raise TypeError(type(value).__name__)


def arguments_of(label: str, arguments: Mapping[str, Any]) -> Any:
    """Return what stands for a variant's arguments, or raise `UserError` naming the odd one."""
    encoded = {}
    for name, value in arguments.items():
        try:
            encoded[name] = argument(value)
        except TypeError as error:
            raise UserError(
                f"variant {label!r}: argument {name!r} holds a {error}; give text, numbers, bool,"
                " None, bytes, answer types, or tuples and dicts of these"
            ) from error
    return encoded


def answer_key(
    identity: str, sample: Sample, tags: tuple[str, ...], arguments: Any, perturbation: str = "none"
) -> str:
    """Return the journal's key of one answer, 32 hex digits.

    `arguments` comes from `arguments_of`; `tags` are those that the program takes.
    """
    images = [image.digest for image in sample.images]
    taken = {tag: sample.tags.get(tag) for tag in tags}
    content = [images, sample.question, list(sample.choices), taken]
    return digest([identity, sample.id, content, arguments, perturbation])[:32]


def program_digest(program: Any) -> str:
    """Return the SHA-256 of a program's code and of all that it reaches by name in files beside it.

    Docstrings, comments and positions have no part in it; what an installed package defines counts
    by its name only.
    """
    home = _file(program.func) or Path.cwd() / "prompt"
    found: dict[str, Any] = {}
    _reach(program.func, home, found)
    return digest([sorted(found.items()), argument(dict(program.bind_arguments))])


def _reach(function: Any, home: Path, found: dict[str, Any]) -> None:
    file = _file(function) or home
    name = f"{'' if file == home else file.stem}:{function.__qualname__}"
    if name in found:
        return
    tree = _tree(function)
    found[name] = ast.dump(tree) if tree else repr(function.__code__.co_code)
    scope = _scope(function)
    for path in _names(tree) if tree else ():
        if path[0] in scope:
            _note(".".join(path), _follow(scope[path[0]], path[1:]), home, found)


def _note(name: str, value: Any, home: Path, found: dict[str, Any]) -> None:
    value = getattr(value, "func", value)  # another program
    if isinstance(value, (FunctionType, type)) and _beside(value, home.parent):
        _reach(value, home, found)
        return
    try:
        found[f"value {name}"] = argument(value)
    except TypeError:
        found[f"value {name}"] = getattr(value, "__name__", type(value).__qualname__)


def _scope(function: Any) -> dict[str, Any]:
    if isinstance(function, type):
        return dict(vars(sys.modules[function.__module__]))
    return function.__globals__ | dict(inspect.getclosurevars(function).nonlocals)


def _follow(value: Any, names: tuple[str, ...]) -> Any:
    """Walk from a module to what is named in it; other values' attributes belong to their class."""
    for name in names:
        if not isinstance(value, ModuleType):
            return value
        value = getattr(value, name, None)
    return value


def _names(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """Yield each dotted name that is read, as a tuple; of `a.b.c` also its beginnings."""
    for node in ast.walk(tree):
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value  # noqa: PLW2901  (walks down one chain)
        if isinstance(node, ast.Name):
            yield (node.id, *reversed(names))


def _tree(function: Any) -> ast.AST | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None  # typed at a prompt, or a lambda inside a call: its byte code stands for it
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.FunctionDef, ast.ClassDef))
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def _beside(value: Any, folder: Path) -> bool:
    file = _file(value)
    return file is not None and file.is_relative_to(folder) and "site-packages" not in file.parts


def _file(value: Any) -> Path | None:
    try:
        return Path(inspect.getfile(value)).resolve()
    except (OSError, TypeError):
        return None
