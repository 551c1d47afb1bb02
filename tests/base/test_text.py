"""Text as programs write it: every encoding that says what it is, and YAML that means what it says."""

from __future__ import annotations

import datetime
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.base.text import decode, parse_day, parse_yaml, read_text, read_yaml

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
PRINTABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"))


@given(PRINTABLE, st.sampled_from(ENCODINGS))
def test_a_text_is_the_same_in_every_encoding_that_says_what_it_is(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "a file", "text") == text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("première\nsecond é\n".encode("latin-1"), "line 1 is not UTF-8"),
        (b"first\nsecond \xe9\n", "line 2 is not UTF-8"),
        ("a: b".encode("utf-16-le"), "UTF-16 without its mark"),
        ("a: b".encode("utf-16-be"), "UTF-16 without its mark"),
        ("a: b".encode("utf-16")[:-1], "is not UTF-16"),
        (bytes(range(256)), "is not UTF-8"),
    ],
    ids=["Latin-1", "Latin-1 below", "UTF-16-LE", "UTF-16-BE", "half a letter", "no text"],
)
def test_what_is_no_text_is_refused_by_name_and_not_quoted(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_text(path, "a token")
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "expected a token" in message and "second" not in message


def test_what_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    for name, reason in {
        "missing": "No such file", "dangling": "No such file", "loop": "Too many levels",
        ".": "Is a directory", "file/below": "Not a directory", "x" * 300: "File name too long",
        "a\0b": "null byte", "d\udcff": "No such file",
    }.items():  # fmt: skip
        with pytest.raises(
            InputError, match=f"cannot be read \\(.*{reason}.*\\); expected a token"
        ) as caught:
            read_text(tmp_path / name, "a token")
        assert str(tmp_path) in str(caught.value)


def test_a_pipe_is_read_as_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("content",))
    writer.start()
    assert read_text(pipe, "text") == "content"
    writer.join()


# YAML


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2018-07-19", "2018-07-19"), ("2018-02-30", "2018-02-30"),
        ("2018-07-19 10:00:00", "2018-07-19 10:00:00"), ("57:30", "57:30"), ("010", "010"), ("007", "007"),
        ("0x1f", "0x1f"), ("1_000", "1_000"), ("57", 57), ("0", 0), ("-3", -3), ("1e-3", 1e-3), ("2E4", 2e4),
        ("-.5", -0.5), ("1.", 1.0), (".inf", float("inf")), ("yes", "yes"), ("off", "off"), ("true", True),
        ("False", False), ("null", None), ("~", None), ("", None), ("'4'", "4"),
        ('"2018-07-19"', "2018-07-19"), ("[a, 1]", ["a", 1]), ("first", "first"), ("nullify", "nullify"),
        ("1e-3x", "1e-3x"), ("1.2.3", "1.2.3"),
    ],
)  # fmt: skip
def test_plain_words_are_what_people_mean(text: str, value: object) -> None:
    read = parse_yaml(text, "a value")
    assert read == value and type(read) is type(value)


NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1)
# PyYAML writes the text 1e3 as it is, which people mean as a number.
NUMBER = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+")
TEXTS = PRINTABLE.filter(lambda text: text.isprintable() and not NUMBER.fullmatch(text))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS


@given(st.dictionaries(NAMES, SCALARS | st.lists(SCALARS)))
def test_what_pyyaml_writes_is_read_as_it_was(values: dict[str, Any]) -> None:
    assert parse_yaml(yaml.safe_dump(values, allow_unicode=True), "a file") == values


@pytest.mark.parametrize(
    "text",
    [
        "[1", "a: b: c", "{a: 1, a: 2}", "a: 1\na: 2\n", "\ta: 1", "a:\n\t- 1", "9" * 5000, "[" * 5000,
        "!!int x", "!!float x", "!!timestamp x", "!!python/object:os.system {}", "a\n---\nb", "@", "\udcff",
        "*a", "{[1]: 2}",
    ],
    ids=lambda text: ascii(text[:20]),
)  # fmt: skip
def test_what_is_no_yaml_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"^the value is not YAML \(") as caught:
        parse_yaml(text, "the value")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_of_names_and_values_is_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes("model: é\r\nepochs: 3\r\n".encode(encoding))
    assert read_yaml(path) == {"model": "é", "epochs": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("words", "holds a str"),
        ("- 1\n", "holds a list"),
        ("7", "holds a int"),
        ("a: [", "is not YAML"),
        ("a: 1\na: 2", "twice"),
    ],
)
def test_a_file_without_names_and_values_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_yaml(tmp_path / "file.yaml")
    assert str(caught.value).startswith(str(tmp_path / "file.yaml"))


@pytest.mark.parametrize("text", ["", "# a comment\n", "---\n", "\ufeff"])
def test_an_empty_file_has_no_values(tmp_path: Path, text: str) -> None:
    (tmp_path / "file.yaml").write_text(text, encoding="utf-8")
    assert read_yaml(tmp_path / "file.yaml") == {}


# Days


@given(st.dates())
def test_days_are_read_as_they_are_written(day: datetime.date) -> None:
    assert parse_day(day.isoformat()) == day


@pytest.mark.parametrize(
    "text", ["", "2018-02-30", "2019-02-29", "20180719", "2018-W29-4", "2018-7-19", "19.07.2018", 
             "2018-07-19T10:00", "0000-01-01", "２０１８-07-19", "2018-07-19\n", " 2018-07-19", "first"]
)  # fmt: skip
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"is no day; expected YYYY-MM-DD, such as 2017-01-31"):
        parse_day(text)
