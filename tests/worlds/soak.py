"""Two forms of one test: a short one for ``make test``, and a long one for ``make soak``."""

from __future__ import annotations

from typing import Any

import pytest


def short_and_long(short: Any, long: Any) -> list[Any]:
    """Two values of a test's parameter, of which the second is for the soak alone."""
    return [pytest.param(short, id="short"), pytest.param(long, id="soak", marks=pytest.mark.soak)]
