"""Random fields as functions of place: a point has the same value in whatever window it is drawn.

Places are points of a lattice with one origin, the upper left corner of the MODIS sinusoidal grid,
and may be negative. A key, a sequence of integers 0 or more, names a field and tells its random numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import nnls

Float32Array = NDArray[np.float32]
Key = tuple[int, ...]

LONGEST_PIXELS = 400.0
"""Wavelength beyond which a fractal's spectrum is level (some 90 km at 250 m)."""

_BLOCK = 128
"""Points along the side of what is drawn from one random stream."""

ORIGIN = 1 << 20
"""Added to blocks and cells, which may be negative, to make a key."""


def stream(*key: int) -> np.random.Generator:
    """The random numbers of a key."""
    return np.random.default_rng(key)


def stream_at(key: Key, *place: int) -> np.random.Generator:
    """The random numbers of a key at a place."""
    return stream(*key, *(ORIGIN + number for number in place))


def white(key: Key, *spans: slice) -> Float32Array:
    """Independent normal numbers of mean 0 and standard deviation 1, one at each point of a lattice.

    Parameters
    ----------
    key : tuple of int
    *spans : slice
        Start and stop along each axis.
    """
    field: Float32Array = np.empty([span.stop - span.start for span in spans], dtype=np.float32)
    blocks = [range(span.start // _BLOCK, -(-span.stop // _BLOCK)) for span in spans]
    for place in itertools.product(*blocks):
        block = stream_at(key, *place).standard_normal([_BLOCK] * len(spans), dtype=np.float32)
        target, source = [], []
        for span, number in zip(spans, place, strict=True):
            first, last = max(span.start, number * _BLOCK), min(span.stop, (number + 1) * _BLOCK)
            target.append(slice(first - span.start, last - span.start))
            source.append(slice(first - number * _BLOCK, last - number * _BLOCK))
        field[tuple(target)] = block[tuple(source)]
    return field


def uniform(key: Key, *spans: slice) -> Float32Array:
    """As `white`, but of numbers from 0 to 1, all alike."""
    return special.ndtr(white(key, *spans).astype(np.float64)).astype(np.float32)  # type: ignore[no-any-return]


def fractal(
    key: Key, slope: float, *spans: slice, longest: float = LONGEST_PIXELS, finest: int = 0
) -> Float32Array:
    """A Gaussian field, mean 0 and standard deviation 1 over the globe,
    whose amplitude falls as frequency to the power −slope.

    It is a sum of octaves, each white noise on a lattice of 2ⁿ points a side, refined by cubic splines.

    Parameters
    ----------
    key : tuple of int
    slope : float
    *spans : slice
        Start and stop along each axis.
    longest : float
        Wavelength beyond which the spectrum is level, in points.
    finest : int
        The first octave that is drawn; the field is smooth below 2 to this power.
    """
    amplitudes = _amplitudes(slope, longest, finest, len(spans))
    octaves = [spans]
    while len(octaves) < len(amplitudes):
        octaves.append(tuple(_coarser(span) for span in octaves[-1]))
    top = len(octaves) - 1
    field = white((*key, top), *octaves[top])
    field *= np.float32(amplitudes[top])
    for octave in range(top - 1, -1, -1):
        field = _refined(field, octaves[octave + 1], octaves[octave])
        if amplitudes[octave]:
            noise = white((*key, octave), *octaves[octave])
            noise *= np.float32(amplitudes[octave])
            field += noise
    return field


def refined(coarse: Callable[[tuple[slice, ...]], Float32Array], octaves: int, *spans: slice) -> Float32Array:
    """A function of place that is computed on a lattice of 2ⁿ points and refined by cubic splines.

    Parameters
    ----------
    coarse : callable
        Gives the function on spans of the coarse lattice.
    octaves : int
        n.
    *spans : slice
    """
    all_spans = [spans]
    for _ in range(octaves):
        all_spans.append(tuple(_coarser(span) for span in all_spans[-1]))
    field = coarse(all_spans[-1])
    for octave in range(octaves - 1, -1, -1):
        field = _refined(field, all_spans[octave + 1], all_spans[octave])
    return field


def cells(span: slice, side: int, reach: int) -> range:
    """Cells of a lattice, `side` points each, that come within `reach` points of a span."""
    return range((span.start - reach) // side, (span.stop - 1 + reach) // side + 1)


def _coarser(span: slice) -> slice:
    """What the next octave needs, to refine this span."""
    return slice(span.start // 2 - 1, (span.stop - 1) // 2 + 3)


def _refined(coarse: Float32Array, coarse_spans: tuple[slice, ...], spans: tuple[slice, ...]) -> Float32Array:
    """One subdivision of cubic B-splines along each axis: a point of the
    coarse lattice has six eighths of itself, one between two has half of each."""
    for axis, (coarse_span, span) in enumerate(zip(coarse_spans, spans, strict=True)):
        before, middle, behind = (
            coarse[(slice(None),) * axis + (part,)]
            for part in (slice(None, -2), slice(1, -1), slice(2, None))
        )
        sides = list(coarse.shape)
        sides[axis] = 2 * middle.shape[axis]
        fine = np.empty(sides, dtype=np.float32)
        even, odd = (fine[(slice(None),) * axis + (slice(first, None, 2),)] for first in (0, 1))
        np.add(before, behind, out=even)
        even *= np.float32(1.0 / 6.0)
        even += middle
        even *= np.float32(0.75)
        np.add(middle, behind, out=odd)
        odd *= np.float32(0.5)
        first = span.start - 2 * (coarse_span.start + 1)
        part = slice(first, first + span.stop - span.start)
        coarse = fine[(slice(None),) * axis + (part,)]
    return coarse


@lru_cache(maxsize=64)
def _amplitudes(slope: float, longest: float, finest: int, axes: int) -> tuple[float, ...]:
    """Standard deviation of each octave's noise: the fit to the power law,
    scaled so that the sum has the standard deviation 1."""
    octaves = range(finest, int(math.log2(longest)) + 1)
    frequency = np.geomspace(0.2 / longest, 0.5 / 2**finest, 60)
    aim = np.maximum(frequency, 1.0 / longest) ** (-2.0 * slope)
    level = np.zeros_like(frequency)
    power: list[NDArray[np.float64]] = []
    for octave in octaves:
        along = _power(frequency, octave)
        if axes == 2:
            # Mean of the power along an axis and along the diagonal.
            across = _power(level, octave)
            diagonal = _power(frequency / math.sqrt(2.0), octave)
            along = 0.5 * (along * across + diagonal * diagonal)
        power.append(along / aim)
    shares, _ = nnls(np.stack(power, axis=1), np.ones_like(frequency))
    variance = sum(share * _variance(octave) ** axes for share, octave in zip(shares, octaves, strict=True))
    return (0.0,) * finest + tuple(float(amplitude) for amplitude in np.sqrt(shares / variance))


def _power(frequency: NDArray[np.float64], octave: int) -> NDArray[np.float64]:
    """Spectrum along one axis of unit noise that is refined so many times."""
    transfer = np.ones_like(frequency)
    for step in range(octave):
        transfer *= 2.0 * np.cos(np.pi * frequency * 2.0**step) ** 4
    return transfer**2 / 2.0**octave


def _variance(octave: int) -> float:
    """Mean over an axis of the variance of unit noise that is refined so many times."""
    kernel = np.ones(1)
    for _ in range(octave):
        wide = np.zeros(2 * kernel.size - 1)
        wide[::2] = kernel
        kernel = np.convolve(wide, [0.125, 0.5, 0.75, 0.5, 0.125])
    return float(np.sum(kernel**2)) / 2.0**octave
