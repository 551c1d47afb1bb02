"""Text that people write: files in any encoding of Unicode, and YAML whose words mean what they say."""

from __future__ import annotations

import codecs
import datetime
import re
from pathlib import Path
from typing import Any

import yaml

from lstsr_core.base.errors import InputError

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""What a file may begin with, and the codec that takes it off."""


def read_bytes(path: Path, expected: str) -> bytes:
    """The content of a file that a person named.

    Parameters
    ----------
    path : Path
    expected : str
        What should be there, for the message.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); expected {expected}.") from None


def decode(content: bytes, name: object, expected: str) -> str:
    """The text of a file's content: UTF-8, or what its
    byte-order mark says. The message never quotes the text.

    Parameters
    ----------
    content : bytes
    name : object
        What to call the file in the message, such as its path.
    expected : str
        What it should hold, for the message.

    Raises
    ------
    InputError
        If it is neither, or no text.
    """
    encoding = next(
        (encoding for mark, encoding in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8"
    )
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{name}: line {line} is not {encoding[:6].upper().rstrip('-')}; expected {expected}, saved as"
            " UTF-8."
        ) from None
    if "\0" in text:
        raise InputError(
            f"{name}: is no text, or UTF-16 without its mark; expected {expected}, saved as UTF-8."
        )
    return text


def read_text(path: Path, expected: str) -> str:
    """The text of a file that a person named; as `read_bytes` and `decode`."""
    return decode(read_bytes(path, expected), path, expected)


class _PlainLoader(yaml.SafeLoader):
    """YAML 1.2's reading of plain words, and no name twice.

    PyYAML's, of YAML 1.1, makes other things of what people write: 1e-3 a text, 010 the number 8, 57:30 the
    number 3450, yes and off booleans, 2018-02-30 an error. Here a word is a number, true, false or null, and
    otherwise a text.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012  # not the base class's

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"'{twice}' stands there twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


for _tag, _pattern in {
    "null": r"(~|null|Null|NULL)?",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?(0|[1-9][0-9]*)",
    "float": (
        r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
}.items():
    _PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"({_pattern})$"), None)


def parse_yaml(text: str, name: object) -> Any:
    """A value in YAML; plain words are numbers, true, false and null, and else, dates among them, text.

    >>> parse_yaml("[2018-07-19, 1e-3, 057, 57, yes, null]", "the example")
    ['2018-07-19', 0.001, '057', 57, 'yes', None]

    Parameters
    ----------
    text : str
    name : object
        What to call it in the message, such as a file's path.

    Raises
    ------
    InputError
        If it is no YAML.
    """
    try:
        return yaml.load(text, _PlainLoader)  # a SafeLoader
    except RecursionError:
        raise InputError(f"{name} is not YAML (nested too deeply).") from None
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:  # the last three by tags such as !!int
        raise InputError(f"{name} is not YAML ({' '.join(str(error).split())[:200]}).") from None


def read_yaml(path: Path, expected: str = "lines of 'name: value'") -> dict[str, Any]:
    """Names and values of a YAML file that a person may have written; none of an empty file.

    Parameters
    ----------
    path : Path
    expected : str
        What should be there, for the message.

    Raises
    ------
    InputError
        If it cannot be read, or is no such file.
    """
    values = parse_yaml(read_text(path, expected), path)
    if not isinstance(values, dict | None):
        raise InputError(f"{path}: holds a {type(values).__name__}; expected {expected}.")
    return {str(name): value for name, value in (values or {}).items()}


def parse_day(text: str) -> datetime.date:
    """Read a day.

    >>> parse_day("2018-07-19")
    datetime.date(2018, 7, 19)

    Raises
    ------
    InputError
        If it is written otherwise, or the calendar does not have it.
    """
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise InputError(f"'{text}' is no day; expected YYYY-MM-DD, such as 2017-01-31.") from None
