"""Memory that is kept between steps: fewer pages got from the system, and given back at the end."""

from __future__ import annotations

import ctypes
import platform
import resource
from pathlib import Path

import pytest
import torch

from lstsr_core.base.memory import kept_memory


def page_faults() -> int:
    """Pages got while 64 MB are written to and freed ten times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(16_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_used_again_and_given_back_at_the_end() -> None:
    outside = page_faults()
    with kept_memory():
        page_faults()  # the first rounds get what the later ones use
        inside = page_faults()
        peak_bytes = resident_bytes()
    assert inside < 0.2 * outside
    assert peak_bytes - resident_bytes() > 50_000_000


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    with kept_memory():
        assert float(torch.ones(3).sum()) == 3.0
