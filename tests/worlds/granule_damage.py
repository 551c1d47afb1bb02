"""Damage to granules, of eleven kinds; in a soak each is read rightly or refused by name."""

from __future__ import annotations

import random
import re
import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from lstsr_core.base.errors import InputError
from lstsr_core.geo.raster import Raster
from lstsr_core.modis.hdf_directory import Descriptor, descriptors

LIMIT_S = 12  # the reader's own limit is 10
DIMENSIONS_TAG = 701
TABLE_TAG = 1963
PIXELS_TAG = 40

Reading = tuple[list[np.ndarray | None], Raster, object]
"""Arrays, None for what was left out with a warning; one of the rasters for its place; and the day."""


@dataclass(frozen=True)
class Whole:
    """A granule without damage, and how it is read."""

    name: str
    content: bytes
    entries: list[Descriptor]
    read: Callable[[Path], Reading]

    @classmethod
    def of(cls, path: Path, read: Callable[[Path], Reading]) -> Whole:
        return cls(path.name, path.read_bytes(), list(descriptors(path)), read)


def spot(content: bytearray, chance: random.Random) -> int:
    """A place that is not in the padding of a text."""
    while True:
        place = chance.randrange(len(content))
        if any(content[place : place + 16]):
            return place


def flip_bit(content: bytearray, whole: Whole, chance: random.Random) -> None:
    content[spot(content, chance)] ^= 1 << chance.randrange(8)


def flip_pixels(content: bytearray, whole: Whole, chance: random.Random) -> None:
    entry = chance.choice([entry for entry in whole.entries if entry.tag == PIXELS_TAG])
    content[entry.offset + chance.randrange(entry.length)] ^= 1 << chance.randrange(8)


def scatter(content: bytearray, whole: Whole, chance: random.Random) -> None:
    for _ in range(chance.randint(2, 40)):
        content[spot(content, chance)] = chance.randrange(256)


def cut(content: bytearray, whole: Whole, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def zero(content: bytearray, whole: Whole, chance: random.Random) -> None:
    start, length = spot(content, chance), chance.choice([1, 4, 64, 512, 4096])
    content[start : start + length] = bytes(len(content[start : start + length]))


def overwrite(content: bytearray, whole: Whole, chance: random.Random) -> None:
    start, length = spot(content, chance), chance.choice([2, 4, 16, 200])
    content[start : start + length] = chance.randbytes(len(content[start : start + length]))


def swap(content: bytearray, whole: Whole, chance: random.Random) -> None:
    length = chance.choice([2, 4, 12])
    first, second = sorted(chance.sample(range(0, len(content) - length, length), 2))
    head, tail = content[first : first + length], content[second : second + length]
    content[first : first + length], content[second : second + length] = tail, head


def lie_in_directory(content: bytearray, whole: Whole, chance: random.Random) -> None:
    entry = chance.choice(whole.entries)
    place, form = chance.choice([(0, ">H"), (2, ">H"), (4, ">I"), (8, ">I")])
    limit = 1 << 8 * struct.calcsize(form)
    number = chance.choice(
        [0, 1, limit // 2 - 1, limit - 1, chance.randrange(40), chance.randrange(len(content)) % limit]
    )
    struct.pack_into(form, content, entry.position + place, number)


def lie_in_description(content: bytearray, whole: Whole, chance: random.Random) -> None:
    """In a small element: a group, a table's header, an attribute, a compression header."""
    entry = chance.choice(
        [entry for entry in whole.entries if entry.tag != PIXELS_TAG and 0 < entry.length < 500]
    )
    position = entry.offset + chance.randrange(entry.length)
    content[position] = chance.choice(
        [0, 255, content[position] ^ 1, content[position] ^ 128, chance.randrange(256)]
    )


def lie_in_dimensions(content: bytearray, whole: Whole, chance: random.Random) -> None:
    """In a dataset's dimension record, or in the one-value table that the library goes by."""
    records = [
        entry.offset + 2 + 4 * axis
        for entry in whole.entries
        if entry.tag == DIMENSIONS_TAG
        for axis in (0, 1)
    ]
    tables = [entry.offset for entry in whole.entries if entry.tag == TABLE_TAG and entry.length == 4]
    number = chance.choice([0, 1, 39, 41, 57, 4800, 4801, 65536, 0x7FFFFFFF, 0xFFFFFFFF])
    struct.pack_into(">I", content, chance.choice(records if chance.random() < 0.3 else tables), number)


def lie_in_metadata(content: bytearray, whole: Whole, chance: random.Random) -> None:
    """A digit of StructMetadata, or of the product, the collection or the times in CoreMetadata."""
    texts = [
        match.span() for match in re.finditer(rb"GROUP ?= ?SwathStructure.*?\nEND\n", content, re.DOTALL)
    ]
    told = rb"OBJECT += (RANGE\w+|SHORTNAME|VERSIONID)\n.*?END_OBJECT"
    texts += [match.span() for match in re.finditer(told, content, re.DOTALL)]
    start, end = chance.choice(texts)
    digits = [position for position in range(start, end) if chr(content[position]).isdigit()]
    content[chance.choice(digits)] = ord(chance.choice("0123456789-. "))


MUTATIONS: list[Callable[[bytearray, Whole, random.Random], None]] = [
    flip_bit, flip_pixels, scatter, cut, zero, overwrite, swap,
    lie_in_directory, lie_in_description, lie_in_dimensions, lie_in_metadata,
]  # fmt: skip


def same(mine: np.ndarray | None, yours: np.ndarray) -> bool:
    return mine is not None and np.array_equal(mine, yours, equal_nan=True)


@dataclass
class Outcomes:
    """How many were read and refused by the kind of damage, which were read wrongly, and what it cost."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[tuple[int, str, str]] = field(default_factory=list)
    grown_bytes: int = 0
    grown_processes: int = 0

    def total(self, outcome: str) -> int:
        return sum(count for (_, kind), count in self.counts.items() if kind == outcome)


def soak(wholes: Sequence[Whole], weights: Sequence[int], directory: Path, count: int, seed: int) -> Outcomes:
    """Damage granules at random, each in its turn, and read them.

    Read rightly means that not one pixel, QC, time of view or day of acquisition differs from the
    whole granule's, and that the corners lie within 1 m of its own. Pixels that were damaged
    themselves are no exception: their checksum gives them away.
    """
    chance = random.Random(seed)
    truths = []
    for whole in wholes:
        (directory / whole.name).write_bytes(whole.content)
        truths.append(whole.read(directory / whole.name))
    process, outcomes = psutil.Process(), Outcomes()
    resident_bytes, processes = process.memory_info().rss, len(process.children(recursive=True))
    for number in range(count):
        choice = chance.choices(range(len(wholes)), weights=weights)[0]
        whole, (truth, place, date) = wholes[choice], truths[choice]
        mutate = MUTATIONS[number % len(MUTATIONS)]
        content = bytearray(whole.content)
        mutate(content, whole, chance)
        path = directory / whole.name
        path.write_bytes(content)
        start = time.monotonic()
        try:
            read, read_place, read_date = whole.read(path)
        except InputError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            outcomes.counts[mutate.__name__, "refused"] += 1
        else:
            right = (
                all(yours is None or same(mine, yours) for mine, yours in zip(truth, read, strict=True))
                and read_place.transform.almost_equals(place.transform, precision=1.0)
                and abs(read_place.right_m - place.right_m) < 1.0
                and abs(read_place.bottom_m - place.bottom_m) < 1.0
                and read_date == date
            )
            outcomes.counts[mutate.__name__, "read"] += 1
            if not right:
                outcomes.wrong.append((number, mutate.__name__, whole.name))
        assert time.monotonic() - start < LIMIT_S, (number, mutate.__name__)
    outcomes.grown_bytes = process.memory_info().rss - resident_bytes
    outcomes.grown_processes = len(process.children(recursive=True)) - processes
    return outcomes
