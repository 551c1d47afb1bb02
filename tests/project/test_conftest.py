"""The guard of tests/conftest.py: what the reference figures rest on must not be skipped unnoticed."""

from __future__ import annotations

import textwrap

import pytest

from lstsr_core.base.project import PROJECT

pytest_plugins = ["pytester"]

SKIPPING = """
    import pytest
    @pytest.mark.skip(reason="no pairs")
    def test_needs_pairs(): ...
    @pytest.mark.parametrize("scene", ["0", "57"])
    def test_scene(scene):
        pytest.skip("no pairs")
    def test_passes(): ...
    @pytest.mark.xfail(strict=True)
    def test_expected_to_fail():
        assert False
"""


def run_suite(pytester: pytest.Pytester, allowed: str, workers: int = 0, **modules: str) -> pytest.RunResult:
    """Run the conftest beside this file on other tests, in a directory of its own."""
    directory = pytester.mkdir("tests")
    conftest = (PROJECT / "tests" / "conftest.py").read_text(encoding="utf-8")
    (directory / "conftest.py").write_text(conftest, encoding="utf-8")
    (directory / "allowed_skips.txt").write_text(allowed, encoding="utf-8")
    for name, source in modules.items():
        (directory / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-n", str(workers), "tests")


def refused_skips(result: pytest.RunResult) -> list[str]:
    lines = [line for line in result.outlines if line.startswith("SKIP NOT ALLOWED: ")]
    return [line.removeprefix("SKIP NOT ALLOWED: ").split(" ")[0] for line in lines]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unlisted_skip_fails_the_run_under_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setenv("CI", "true")
    allowed = "# a comment\n\ntests/test_some.py::test_scene*\n"
    whole_module = "import pytest\npytest.skip('no pairs', allow_module_level=True)\n"
    result = run_suite(pytester, allowed, workers, test_some=SKIPPING, test_whole=whole_module)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert sorted(refused_skips(result)) == ["tests/test_some.py::test_needs_pairs", "tests/test_whole.py"]
    result.assert_outcomes(passed=1, skipped=4, xfailed=1)


def test_listed_skips_pass_under_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    allowed = "tests/test_some.py::test_scene*\ntests/test_some.py::test_needs_pairs\n"
    result = run_suite(pytester, allowed, test_some=SKIPPING)
    assert result.ret == pytest.ExitCode.OK
    assert refused_skips(result) == []


def test_any_skip_passes_elsewhere(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    result = run_suite(pytester, "", test_some=SKIPPING)
    assert result.ret == pytest.ExitCode.OK
    assert refused_skips(result) == []
