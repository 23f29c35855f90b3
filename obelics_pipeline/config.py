"""Strict reading of YAML: each value ends in a typed field, or in an error that says how to mend it.

What is configured lives with the code that uses it; this module only knows mappings, structs and how to
complain. Messages read ``file: key.path: what is wrong; what would be right``.
"""

from __future__ import annotations

import hashlib
import os
import re
import types
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin

import msgspec
import yaml

from obelics_pipeline.errors import ConfigError

T = TypeVar("T")


class _Loader(yaml.SafeLoader):
    """Plain YAML values, of which only ``true`` and ``false`` are booleans: the language ``no`` is a word."""


_BOOL: Final = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read_yaml(content: bytes | str, source: str) -> dict[str, Any]:
    """The mapping that ``content`` holds; ``source`` is the name of its file in messages.

    Raises ``ConfigError`` if it is empty, no mapping, no YAML, or names a key twice.
    """
    try:
        loader = _Loader(content)
        root = loader.get_single_node()
        if root is None:
            raise ConfigError(f"{source}: empty; write at least one section, such as 'filter:'")
        _refuse_repeated_keys(root, source)
        data = loader.construct_document(root)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not YAML: {_told(error)}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: {_shown(data)} is no mapping; write sections, such as 'filter:'")
    return data


def read_yaml_file(path: str | PathLike[str]) -> dict[str, Any]:
    """``read_yaml`` of a file; a file that cannot be read is a ``ConfigError`` too."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return read_yaml(content, str(path))


def _refuse_repeated_keys(root: yaml.Node, source: str) -> None:
    waiting: list[tuple[str, yaml.Node]] = [("", root)]
    met: set[int] = set()
    while waiting:
        path, node = waiting.pop()
        if id(node) in met:  # an alias; it may even contain itself
            continue
        met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend((path, item) for item in node.value)
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):  # not a word either way: ``mapping`` refuses it
                    continue
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise ConfigError(
                        f"{_place(source, path)}: {key.value!r} stands in line {lines[key.value]} "
                        f"and again in line {line}; keep one"
                    )
                lines[key.value] = line
                waiting.append((f"{path}.{key.value}".lstrip("."), value))


def convert(data: object, type_: type[T], source: str, path: str = "") -> T:
    """``data`` as a ``type_``: a struct (field by field), a class with ``from_data``, or what msgspec knows.

    A class decodes itself if it has ``from_data(data, source, path)``. A struct asked for by an empty key
    (``url:``) has its defaults, also where the field may be ``None``: what is named is wanted.
    Raises ``ConfigError`` naming ``source``, the path of the key, the value, and the nearest valid name.
    """
    type_ = _meant(type_, data)
    wanted = _without_none(type_)
    from_data: Callable[[object, str, str], T] | None = getattr(wanted, "from_data", None)
    if from_data is not None:
        return from_data(data, source, path)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return cast(T, _struct(mapping(data, source, path), wanted, source, path))
    try:
        return msgspec.convert(data, type_)
    except msgspec.ValidationError as error:
        words = get_args(wanted) if get_origin(wanted) is Literal else ()
        why = f"write {' or '.join(map(str, words))}" if words else _lower(str(error))
        raise ConfigError(f"{_place(source, path)} is {_shown(data)}; {why}") from error


def mapping(data: object, source: str, path: str) -> dict[str, Any]:
    """``data`` if it is a mapping with words as keys, ``{}`` if it is nothing; ``ConfigError`` otherwise."""
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{_place(source, path)}: {_shown(data)} is no mapping; write 'key: value' lines")
    for key in data:
        if not isinstance(key, str):
            raise ConfigError(f"{_place(source, path)}: the key {_shown(key)} is no word")
    return data


def _struct(data: dict[str, Any], type_: type[msgspec.Struct], source: str, path: str) -> msgspec.Struct:
    fields = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    what = "key" if path else "section"
    for key in data:
        if key not in fields:
            raise unknown(what, key, fields, source, path)
    for field in fields.values():
        if field.required and field.encode_name not in data:
            raise ConfigError(f"{_place(source, path)}: {field.encode_name!r} is missing")
    values = {
        fields[key].name: convert(value, fields[key].type, source, f"{path}.{key}".lstrip("."))
        for key, value in data.items()
    }
    try:
        return type_(**values)
    except ValueError as error:
        raise ConfigError(f"{_place(source, path)}: {error}") from error


def unknown(what: str, name: str, known: Iterable[str], source: str, path: str) -> ConfigError:
    """The error for a ``name`` that is none of the ``known`` ones; ``what`` says what it would name."""
    return ConfigError(f"{_place(source, path)}: no {what} {suggestion(name, known)}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """``'wrod'; did you mean 'word'? known: list, word`` (at most 30 known names are listed)."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    more = f" and {len(names) - 30} more" if len(names) > 30 else ""
    return f"{name!r}; {hint}known: {', '.join(names[:30]) or 'none'}{more}"


def section_hash(section: object) -> str:
    """32 hexadecimal digits that equal sections share, whatever order or layout their YAML has.

    A class that has ``as_data()`` is hashed by what that returns; the order of a chain of rules counts.
    """
    content = msgspec.json.encode(section, enc_hook=lambda value: value.as_data(), order="sorted")
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def file_digest(path: str) -> str:
    """32 hexadecimal digits that only files with the same bytes share.

    Part of what is hashed for a section that names files: so work is done again when a list or a model is
    replaced at its old path. ``OSError`` if it cannot be read.
    """
    found = os.stat(path)
    return _digest(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _meant(type_: Any, data: object) -> Any:
    """Of ``X | Literal["word"]`` the words if ``data`` is one, else ``X``."""
    kinds = get_args(type_) if get_origin(type_) in (Union, types.UnionType) else ()
    literal = [kind for kind in kinds if get_origin(kind) is Literal]
    if len(kinds) == 2 and literal:
        return next(kind for kind in kinds if (kind in literal) is isinstance(data, str))
    return type_


def _without_none(type_: Any) -> Any:
    """``X`` of ``X | None``."""
    if get_origin(type_) in (Union, types.UnionType):
        others = [arg for arg in get_args(type_) if arg is not types.NoneType]
        if len(others) == 1:
            return others[0]
    return type_


def _place(source: str, path: str) -> str:
    return f"{source}: {path}" if path else source


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _told(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return where + " ".join(str(getattr(error, "problem", None) or error).split())


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
