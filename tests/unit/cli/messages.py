"""Every message and remedy that stands in the code of what agencies run, found in its syntax tree."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import hub
from hub import errors
from tests.unit.cli.tree import TRIED

ROOT = Path(hub.__file__).parents[1]
_PLACES = (
    "connectors/**/*.py",
    "schemas/**/*.py",
    "hub/adapters/**/*.py",
    "hub/desk/**/*.py",
    "hub/danger/**/*.py",
    "hub/policy/**/*.py",
    "hub/domain/**/*.py",
    "hub/config.py",
    "hub/file_models.py",
    "hub/errors.py",
    "hub/cli/__init__.py",
    "hub/cli/files.py",
    "hub/cli/init.py",
    "hub/cli/connect/**/*.py",
    "hub/cli/consent/**/*.py",
    "hub/cli/danger/**/*.py",
    "hub/cli/work.py",
)
_OTHERS = (
    "connectors/kit/suite.py",
    "connectors/kit/checks",
    "connectors/kit/example",
    "connectors/tools/propose/text.py",
)
"""Texts that no agency reads (they speak to developers of connectors), or that are German: the
remarks of a proposed configuration."""
_ERRORS = {name for name, found in vars(errors).items() if isinstance(found, type)}
_CARRIERS = {
    "Incident",
    "Unmapped",
    "Quarantined",
    "Fault",
    "Unreadable",
    "InvalidPayload",
    "Corrupt",
    "Contradiction",
}
_TEXTS = frozenset({"message", "remedy", "why", "cause", "problem", "what"})
"""Parameters, keywords and variables that hold what somebody will read."""

AGENCY = (
    "hub/cli/connect/**/*.py",
    "hub/cli/consent/**/*.py",
    "hub/cli/danger/**/*.py",
    "hub/cli/work.py",
)
"""Modules of the verbs that agencies call."""
_UNSPOKEN = frozenset(
    {"__init__", "app", "bench", "files", "language", "logs", "messages", "opened", "output", "waiting"}
)
_OTHER_TEXTS = frozenset({"hub/cli/explain"})
"""Of the operators' verbs, modules that print nothing for people, or from tables with both languages."""
REPORTING = {"message": 0, "word_of": 0}
"""Functions that give a text in the spoken language → the place of their template, or of a table of templates."""

_IN_WORDS = re.compile(r"^(?!hub |HUB_)(?=.* )(?=.*(^| )[a-z]{3,}( |$))")

Helpers = Mapping[str, frozenset[int]]


def modules() -> list[Path]:
    found = [path for pattern in _PLACES for path in sorted(ROOT.glob(pattern))]
    return [path for path in found if not str(path.relative_to(ROOT)).startswith(_OTHERS)]


def agency_modules() -> dict[str, ast.Module]:
    """Path → syntax tree."""
    found = [path for pattern in AGENCY for path in sorted(ROOT.glob(pattern))]
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for path in (*found, *operator_modules())
    }


def operator_modules() -> list[Path]:
    """Modules of all other verbs: English, and German with `--lang de`."""
    other = {path for pattern in AGENCY for path in ROOT.glob(pattern)}
    return [
        path
        for path in sorted((ROOT / "hub/cli").rglob("*.py"))
        if path not in other
        and path.stem not in (_UNSPOKEN | TRIED if path.parent.name == "cli" else ())
        and not str(path.relative_to(ROOT)).startswith(tuple(_OTHER_TEXTS))
    ]


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Each call with the name of its function, `module.name` where it is written so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def reports() -> tuple[dict[str, str], list[str]]:
    """Template of a report → where it stands; and the places where a template is no literal."""
    found: dict[str, str] = {}
    unknown: list[str] = []
    for path, tree in agency_modules().items():
        texts = _Texts(tree, {})
        for name, call in calls(tree):
            if name not in REPORTING:
                continue
            where = f"{path}:{call.lineno}"
            here = [text for _, text in texts.of_expression(call.args[REPORTING[name]])]
            unknown += [] if here else [where]
            found |= dict.fromkeys(here, where)
    return found, unknown


def places() -> dict[str, str]:
    """Template of a place that is told in words, not by a path, a key or a command → where it stands."""
    found: dict[str, str] = {}
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = _Texts(tree, {})
        for name, call in calls(tree):
            for keyword in call.keywords:
                if keyword.arg == "place" and not name.startswith("log."):
                    told = [text for _, text in texts.of_expression(keyword.value) if _IN_WORDS.search(text)]
                    found |= dict.fromkeys(told, f"{path.relative_to(ROOT)}:{call.lineno}")
    return found


def templates() -> dict[str, str]:
    """Template (`{}` for what is put in) → where it stands."""
    found: dict[str, str] = {}
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in modules()}
    shared = _helpers(node for tree in trees.values() for node in tree.body)
    for path, tree in trees.items():
        for node, text in _Texts(tree, shared).all():
            if " " in text and any(sign.isalpha() for sign in text.replace("{}", "")):
                found.setdefault(text, f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def _helpers(nodes: Iterable[ast.AST]) -> dict[str, frozenset[int]]:
    """Functions that are given a text → the places of their arguments that are one."""
    found: dict[str, frozenset[int]] = {}
    for function in nodes:
        if isinstance(function, ast.FunctionDef):
            names = [argument.arg for argument in function.args.args if argument.arg != "self"]
            places = frozenset(place for place, name in enumerate(names) if name in _TEXTS)
            found[function.name] = found.get(function.name, frozenset()) | places
    return found


def _defaults(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """What a text is where nobody gives one."""
    given = function.args.args[len(function.args.args) - len(function.args.defaults) :]
    for argument, default in zip(given, function.args.defaults, strict=True):
        if argument.arg in _TEXTS:
            yield default


def _choices(node: ast.expr) -> list[ast.expr]:
    """Of an expression that is one of several: all of them."""
    match node:
        case ast.IfExp():
            return [node.body, node.orelse]
        case ast.BoolOp() | ast.Dict():
            return node.values
        case ast.Tuple():
            return node.elts
        case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[_, other]):
            return [table, other]
    return []


class _Texts:
    """The texts of one module; `shared`: functions of other modules that are given one."""

    def __init__(self, tree: ast.Module, shared: Helpers) -> None:
        self._tree = tree
        imported = {
            name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names
        }
        others = {name: places for name, places in shared.items() if name in imported}
        self._helpers = others | _helpers(ast.walk(tree))
        self._named: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    self._note(target, node.value)

    def _note(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._named.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, other in zip(target.elts, value.elts, strict=False):
                self._note(one, other)

    def of_expression(self, node: ast.expr) -> Iterator[tuple[ast.expr, str]]:
        """The templates that an expression may be."""
        yield from self._texts(node, frozenset())

    def all(self) -> Iterator[tuple[ast.expr, str]]:
        for node in ast.walk(self._tree):
            for expression in self._of(node):
                yield from self._texts(expression, frozenset())
        for name, values in self._named.items():
            if name.strip("_").lower() in {*_TEXTS, "remedies"}:
                yield from self._each(values, frozenset())

    def _of(self, node: ast.AST) -> Iterator[ast.expr]:
        """The expressions of one node that somebody will read."""
        if isinstance(node, ast.Call):
            yield from self._said(node)
        elif isinstance(node, ast.FunctionDef):
            yield from _defaults(node)
            returns = ast.walk(node) if node.name.endswith("_problem") else ()
            yield from (one.value for one in returns if isinstance(one, ast.Return) and one.value is not None)

    def _said(self, call: ast.Call) -> Iterator[ast.expr]:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in _ERRORS or name == "said" or (name == "__init__" and isinstance(call.func, ast.Attribute)):
            yield from call.args[:1]
        elif name in _CARRIERS:
            yield from (
                one for one in call.args if not isinstance(one, ast.Constant) or " " in str(one.value)
            )
        else:
            yield from (one for place, one in enumerate(call.args) if place in self._helpers.get(name, ()))
        yield from (one.value for one in call.keywords if one.arg in _TEXTS)

    def _texts(self, node: ast.expr, seen: frozenset[str]) -> Iterator[tuple[ast.expr, str]]:
        """The templates that an expression may be."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node, node.value
        elif isinstance(node, ast.JoinedStr):
            for text in self._joined(node.values):
                yield node, text
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left = [text for _, text in self._texts(node.left, seen)] or ["{}"]
            right = [text for _, text in self._texts(node.right, seen)] or ["{}"]
            yield from ((node, one + other) for one in left for other in right)
        elif isinstance(node, ast.Subscript):
            yield from self._texts(node.value, seen)
        elif isinstance(node, ast.Name) and node.id not in seen:
            yield from self._each(self._named.get(node.id, ()), seen | {node.id})
        else:
            yield from self._each(_choices(node), seen)

    def _each(self, nodes: Iterable[ast.expr], seen: frozenset[str]) -> Iterator[tuple[ast.expr, str]]:
        for node in nodes:
            yield from self._texts(node, seen)

    def _joined(self, parts: Iterable[ast.expr]) -> list[str]:
        """An f-string; a choice between texts inside it makes one template each."""
        found = [""]
        for part in parts:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            if isinstance(part, ast.Constant):
                choices = [str(part.value)]
            elif isinstance(inner, ast.IfExp):
                choices = [text for _, text in self._texts(inner, frozenset())] or ["{}"]
            else:
                choices = ["{}"]
            found = [text + choice for text in found for choice in choices]
        return found
