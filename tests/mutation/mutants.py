"""The mutants of the policy: every cell and rule of its data turned, every comparison, connective and code of its code.

A mutant is a source text with one change. Who reviews the policy wants to know which changes no test would notice.
"""

import ast
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

POLICY = Path(__file__).parents[2] / "hub" / "policy"
_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_JOINED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CELL = re.compile(r'(?P<head>^(?P<role>\w+) = \{ cell = ")(?P<text>[^"]*)(?P<tail>".*)$', re.MULTILINE)
_RULE = re.compile(r'^(?P<name>effect|norm|valid_from) = "?(?P<value>[^"\n]*)"?$', re.MULTILINE)
_EFFECTS = {"deny": "hold", "hold": "deny", "redact": "hold", "gate": "hold"}
_MESSAGES = frozenset({"fault", "ConfigurationError", "Field"})


class Mutant(NamedTuple):
    """One change to one file below `hub/policy`; `place` and `change` say which."""

    file: str
    place: str
    change: str
    source: str


def every() -> Iterator[Mutant]:
    """Data first, then code, each in the order of the files."""
    yield from of_matrix((POLICY / "data" / "matrix.toml").read_text(encoding="utf-8"))
    yield from of_rules((POLICY / "data" / "rules.toml").read_text(encoding="utf-8"))
    for path in sorted(POLICY.glob("*.py")):
        yield from of_code(path.name, path.read_text(encoding="utf-8"))


def of_matrix(source: str) -> Iterator[Mutant]:
    """Each cell opened or closed, with more ground or less, whole instead of reduced."""
    for found in _CELL.finditer(source):
        category = re.findall(r"^\[matrix\.cells\.(\w+)\]", source[: found.start()], re.MULTILINE)[-1]
        for text in sorted(_other_cells(found["text"])):
            changed = source[: found.start()] + found["head"] + text + found["tail"] + source[found.end() :]
            place = f"{category} × {found['role']}"
            yield Mutant("data/matrix.toml", place, f"{found['text']} → {text}", changed)


def _other_cells(text: str) -> set[str]:
    show, *rest = text.split()
    if show in ("own", "count", "agg") or (show == "D" and not text.startswith("D unless")):
        return {"A E"}
    if text.startswith("D unless"):
        return {"D", "A E"}
    ground = {"E/§69": "E", "E": "E/§69", "§69": "E"}
    kept = [word for word in rest if word not in ground]
    other = [ground[word] for word in rest if word in ground] or ["E"]
    turned = {"A": "R", "R": "A"}[show]
    return {"D", " ".join([show, *kept, *other]), " ".join([turned, *rest])}


def of_rules(source: str) -> Iterator[Mutant]:
    """Each rule with another effect, another norm, and from another day on."""
    for found in _RULE.finditer(source):
        rule = re.findall(r'^id = "(R\d\d)"', source[: found.start()], re.MULTILINE)[-1]
        value = found["value"]
        other = {"effect": _EFFECTS.get(value, ""), "valid_from": "2026-09-02"}.get(
            found["name"], f"{value}."
        )
        quote = "" if found["name"] == "valid_from" else '"'
        line = f"{found['name']} = {quote}{other}{quote}"
        changed = source[: found.start()] + line + source[found.end() :]
        yield Mutant("data/rules.toml", rule, f"{found['name']} {value} → {other}", changed)


def of_code(file: str, source: str) -> Iterator[Mutant]:
    """One change at a time; annotations, docstrings and the words of messages stay as they are."""
    tree = ast.parse(source)
    quiet = _quiet(tree)
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in quiet:
            continue
        for change, apply in _changes(node):
            copy = deepcopy(tree)
            target = next(other for at, other in enumerate(ast.walk(copy)) if at == number)
            before = ast.unparse(target)
            apply(target)
            place = f"{getattr(node, 'lineno', 0)}: {before}"
            yield Mutant(file, place, change, ast.unparse(ast.fix_missing_locations(copy)))


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[Any], None]]]:
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                other = _COMPARED[type(op)]
                yield f"{type(op).__name__} → {other.__name__}", _set_at("ops", at, other())
        case ast.BoolOp(op=op):
            turned = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"{type(op).__name__} → {type(turned).__name__}", _set("op", turned)
        case ast.UnaryOp(op=ast.Not()):
            yield "not → bool", _set("op", ast.UAdd())
        case ast.BinOp(op=op) if type(op) in _JOINED:
            yield f"{type(op).__name__} → {_JOINED[type(op)].__name__}", _set("op", _JOINED[type(op)]())
        case ast.Constant(value=bool(value)):
            yield f"→ {not value}", _set("value", not value)
        case ast.Constant(value=int(value)):
            yield f"→ {value + 1}", _set("value", value + 1)
        case ast.Constant(value=str(value)) if " " not in value:
            yield "→ another word", _set("value", f"{value}~")


def _set(name: str, value: Any) -> Callable[[Any], None]:
    return lambda node: setattr(node, name, value)


def _set_at(name: str, at: int, value: Any) -> Callable[[Any], None]:
    return lambda node: getattr(node, name).__setitem__(at, value)


def _quiet(tree: ast.AST) -> set[int]:
    """What is no behaviour: annotations, decorators, docstrings, `__all__`, imports, the words of messages."""
    left_out: set[int] = set()
    for node in ast.walk(tree):
        for part in _parts_without_effect(node):
            left_out |= {id(one) for one in ast.walk(part)}
    return left_out


def _parts_without_effect(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.FunctionDef(returns=returns, decorator_list=decorators):
            yield from (*decorators, *([returns] if returns else []))
        case ast.ClassDef(decorator_list=decorators):
            yield from decorators
        case ast.arg(annotation=annotation) if annotation:
            yield annotation
        case ast.AnnAssign(annotation=annotation):
            yield annotation
        case ast.Expr(value=ast.Constant() as said):
            yield said
        case ast.Assign(targets=[ast.Name(id="__all__" | "_TABLES")]):
            yield node.value
        case ast.Call(func=ast.Name(id=name)) if name in _MESSAGES or name == "field":
            yield node
