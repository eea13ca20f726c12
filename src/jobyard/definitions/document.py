"""
Definitions as they are written in YAML, and back.

Rule 1: nothing that is read says which class to make, but for ``!retval``.
Rule 2: one fault does not hide another: all are found, each with its line.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml

from jobyard.definitions.entry import Entry, Fault
from jobyard.errors import BadArguments, BadDefinitions
from jobyard.model.references import Retval
from jobyard.model.shapes.shape import short
from jobyard.task import checks

__all__ = ["Document", "dump", "read", "value"]

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(slots=True)
class Document:
    """What a file says, as far as it can be read."""

    entries: list[Entry] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


class _Loader(_Safe):  # type: ignore[misc]
    """Knows ``!retval NAME``; the name is a text also where it looks like a number."""


def _construct_retval(_: _Loader, node: yaml.Node) -> Retval:
    if not isinstance(node, yaml.ScalarNode) or not node.value:
        raise yaml.constructor.ConstructorError(None, None, "!retval takes the name of a definition", node.start_mark)
    return Retval(name=node.value)


def _naming(construct: Callable[[Any, yaml.Node], Any], kind: str) -> Callable[[Any, yaml.Node], Any]:
    """The same constructor, which names the value and its place where PyYAML lets any error out, as of 2024-02-30."""

    def named(loader: Any, node: yaml.Node) -> Any:
        try:
            return construct(loader, node)
        except (ValueError, LookupError, AttributeError):
            msg = f"{short(node.value)} is no {kind}"
            raise yaml.constructor.ConstructorError(None, None, msg, node.start_mark) from None

    return named


_Loader.add_constructor("!retval", _construct_retval)
for _kind in ("bool", "int", "float", "timestamp"):
    _tag = f"tag:yaml.org,2002:{_kind}"
    _Loader.add_constructor(_tag, _naming(_Safe.yaml_constructors[_tag], _kind))


def read(text: str) -> Document:
    """Read the definitions of a YAML text. Nothing is raised: what cannot be read is a fault."""
    document = Document()
    with _collector_off():
        try:
            loader = _Loader(text)
            root = loader.get_single_node()
            _find_twin_keys(root, document)
            for node in _listed(root, document):
                _read_entry(loader, node, document)
        except (yaml.YAMLError, RecursionError) as error:
            document.faults.append(_fault_of(error, _line_of(error, text)))
    _find_twin_names(document)
    return document


def value(text: str) -> Any:
    """A single value, as a file of definitions has it. Raises `BadArguments`."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader that knows !retval too
    except (yaml.YAMLError, RecursionError) as error:
        msg = f"{short(text)} is no YAML: {_fault_of(error).text}"
        raise BadArguments(msg) from None


@contextmanager
def _collector_off() -> Iterator[None]:
    """A long file is a tree of a million objects, none of them garbage: looking for it takes longer than the rest."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _listed(root: yaml.Node | None, document: Document) -> Iterable[yaml.Node]:
    """The nodes of the list under ``definitions``."""
    if root is None:
        return ()
    if not isinstance(root, yaml.MappingNode):
        document.faults.append(Fault(_line(root), "the file must be a mapping with the key 'definitions'"))
        return ()
    found: Iterable[yaml.Node] = ()
    for key, value in root.value:
        if key.value != "definitions":
            document.faults.append(Fault(_line(key), f"unknown key {key.value!r}: the file has 'definitions' alone"))
        elif isinstance(value, yaml.SequenceNode):
            found = value.value
        elif value.tag != "tag:yaml.org,2002:null":
            document.faults.append(Fault(_line(value), "definitions must be a list"))
    return found


def _read_entry(loader: Any, node: yaml.Node, document: Document) -> None:
    if not isinstance(node, yaml.MappingNode):
        document.faults.append(Fault(_line(node), "a definition must be a mapping with the keys 'name' and 'task'"))
        return
    try:
        loader.flatten_mapping(node)
    except yaml.YAMLError as error:
        document.faults.append(_fault_of(error))
    entry = Entry("", {}, _line(node))
    for key, value in {key.value: (key, value) for key, value in _pairs(node, document)}.values():
        try:
            _read_key(loader, key, value, entry)
        except (yaml.YAMLError, RecursionError) as error:
            document.faults.append(_fault_of(error, _line(key)))
    if "name" in entry.values or "name" not in entry.lines:  # else it cannot be read, which is told already
        _take_name(entry, document)
    document.entries.append(entry)


def _take_name(entry: Entry, document: Document) -> None:
    name = entry.values.pop("name", None)
    try:
        entry.name = checks.name(name, "name")
    except BadArguments as error:
        text = "the definition has no name" if name is None else f"the definition has no name that is one: {error}"
        document.faults.append(Fault(entry.at("name"), text))


def _pairs(node: yaml.MappingNode, document: Document) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Keys and values; those that are merged into it come before its own."""
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            yield key, value
        else:
            document.faults.append(Fault(_line(key), "a key of a definition must be a text"))


def _read_key(loader: Any, key: yaml.Node, value: yaml.Node, entry: Entry) -> None:
    word = str(key.value)
    entry.lines[word] = _line(key)
    is_text = type(value) is yaml.ScalarNode and value.tag == _TEXT
    entry.values[word] = value.value if is_text else loader.construct_object(value, deep=True)


def _find_twin_keys(root: yaml.Node | None, document: Document) -> None:
    """Must come before anything is merged: what a mapping has besides `<<` may well be in what it merges."""
    left, seen = [root], set()
    while left:
        node = left.pop()
        if not isinstance(node, yaml.CollectionNode) or id(node) in seen:  # an alias is the node itself
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _find_twins_of(node, document)
            left += [value for _, value in node.value]
        else:
            left += node.value


def _find_twins_of(node: yaml.MappingNode, document: Document) -> None:
    words: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        word = key.tag, key.value
        if word in words:
            document.faults.append(Fault(_line(key), f"the key {key.value!r} is there twice"))
        words.add(word)


def _find_twin_names(document: Document) -> None:
    lines: dict[str, int | None] = {}
    for entry in document.entries:
        if not entry.name:
            continue
        if entry.name in lines:
            text = f"the name {entry.name!r} is taken by the definition in line {lines[entry.name]}"
            document.faults.append(Fault(entry.at("name"), text))
        lines.setdefault(entry.name, entry.line)


def _fault_of(error: yaml.YAMLError | RecursionError, line: int | None = None) -> Fault:
    """
    What PyYAML says.

    Args:
        line: where it is, if PyYAML does not know that.
    """
    if isinstance(error, RecursionError):
        return Fault(line, "this is nested too deep")
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
    return Fault(mark.line + 1 if mark is not None else line, str(problem))


def _line_of(error: yaml.YAMLError | RecursionError, text: str) -> int | None:
    """The line of what has no mark: a character that is refused."""
    if not isinstance(error, yaml.reader.ReaderError):
        return None
    return text.count("\n", 0, text.find(chr(error.character))) + 1


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """Writes references as ``!retval NAME``, and texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_retval(dumper: Any, value: Retval) -> yaml.Node:
    node: yaml.Node = dumper.represent_scalar("!retval", value.name)
    return node


def _represent_text(dumper: Any, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    node: yaml.Node = dumper.represent_scalar(_TEXT, value, style=style)
    return node


_Dumper.add_representer(Retval, _represent_retval)
_Dumper.add_representer(str, _represent_text)


def dump(definitions: Iterable[Mapping[str, Any]]) -> str:
    """
    The YAML text of definitions that are mappings of their keys.

    Raises:
        BadDefinitions: arguments of a type that YAML does not have, or reads as another; each is named.
    """
    listed = [dict(each) for each in definitions]
    if faults := [Fault(None, text) for each in listed for text in _unwritable(each)]:
        raise BadDefinitions("\n".join(map(str, faults)), faults)
    return _written({"definitions": listed})


def _written(data: Any) -> str:
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def _unwritable(definition: Mapping[str, Any]) -> Iterator[str]:
    """What to say of the arguments that would not come back: those of parameters without an annotation."""
    places = [(f"args[{index}]", each) for index, each in enumerate(definition.get("args", ()))]
    places += [(f"kwargs[{name!r}]", each) for name, each in definition.get("kwargs", {}).items()]
    for place, given in places:
        if not _is_plain(given) and not _comes_back(given):
            yield (
                f"{definition['name']}: {place}={short(given)} would not come back from YAML as it is; "
                "annotate the parameter of the task, and add the definition again"
            )


def _is_plain(value: Any) -> bool:
    """Whether it is made of what every YAML has; most arguments are, and need no try."""
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and _is_plain(each) for key, each in value.items())
    return all(map(_is_plain, value)) if kind is list else kind in _PLAIN


_PLAIN = frozenset({type(None), bool, int, float, str, Retval})


def _comes_back(given: Any) -> bool:
    try:
        return _alike(value(_written(given)), given)
    except (BadArguments, yaml.YAMLError):
        return False


def _alike(one: Any, other: Any) -> bool:
    """Equal, with equal types all the way down."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict):
        one, other = [*one.items()], [*other.items()]
    if not isinstance(one, (list, tuple)):
        return True
    return all(_alike(*pair) for pair in zip(one, other, strict=True))
