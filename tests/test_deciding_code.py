"""Which code decides numbers, and what of it counts."""

from __future__ import annotations

import pytest

from lstsr_core.deciding_code import changed, deciding_code, meaning_of

SOURCE = '''"""A module."""

LIMIT_K = 1.5


def mean(values):
    """The mean."""
    return sum(values) / len(values)


class Pair:
    """Two."""

    name: str = "a"
'''


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ('"""A module."""', '"""Another text."""'),
        ('    """The mean."""\n', ""),
        ('    """Two."""\n', '    """Two,\n\n    told at length.\n    """\n'),
        ("LIMIT_K = 1.5", "LIMIT_K = 1.5  # kelvin"),
        ("return sum(values) / len(values)", "return (\n        sum(values)\n        / len(values)\n    )"),
        ('"a"', "'a'"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(older: str, newer: str) -> None:
    assert older in SOURCE
    assert meaning_of(SOURCE.replace(older, newer)) == meaning_of(SOURCE)


@pytest.mark.parametrize(
    ("older", "newer"),
    [("1.5", "1.6"), ("/ len", "* len"), ("mean(values)", "mean(values, axis=0)"), ('"a"', '"b"'), ('"a"', 'b"a"'),
     ('"a"', "None"), ("    return sum", "    values = values\n    return sum")],
)  # fmt: skip
def test_whatever_the_code_does_counts(older: str, newer: str) -> None:
    assert older in SOURCE
    assert meaning_of(SOURCE.replace(older, newer)) != meaning_of(SOURCE)


def test_a_string_that_is_no_docstring_counts() -> None:
    assert meaning_of('x = 1\n"""said later"""') != meaning_of("x = 1")


def test_metrics_decide_and_drawing_does_not() -> None:
    names = set(deciding_code())
    assert {
        "metrics.py",
        "fourier.py",
        "placement.py",
        "kriging.py",
        "dms.py",
        "networks.py",
        "tile_warp.py",
        "bootstrap.py",
        "spectra.py",
        "contrast.py",
    } <= names
    assert not {name for name in names if name.endswith(("_stages.py", "_prose.py"))}
    assert not names & {
        "errors.py",
        "project.py",
        "figures.py",
        "stages.py",
        "book.py",
        "prose.py",
        "markup.py",
        "claims.py",
        "runner.py",
        "cli.py",
    }


def test_only_what_a_notebook_imports_is_noted() -> None:
    chosen = deciding_code(["metrics.py", "figures.py", "nothing.py"])
    assert chosen == {"metrics.py": deciding_code()["metrics.py"]}


def test_changed_modules_are_named() -> None:
    assert changed({"a.py": "1", "b.py": "2", "c.py": "3"}, {"a.py": "1", "b.py": "4", "d.py": "5"}) == ["b.py", "c.py", "d.py"]
    assert changed({"a.py": "1"}, {"a.py": "1"}) == []
