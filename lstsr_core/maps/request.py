"""What map to make, and by what."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import shapely

from lstsr_core.base.errors import InputError
from lstsr_core.geo.shorelines import Extent
from lstsr_core.maps import area
from lstsr_core.modis.geotiff import Encoding
from lstsr_core.modis.granule import Layer
from lstsr_core.networks.settings import MOST_THREADS
from lstsr_core.networks.weights_files import NETWORKS, weights_file
from lstsr_core.sharpening.methods import DEFAULT_METHOD, METHODS


@dataclass(frozen=True)
class Request:
    """What map to make.

    Attributes
    ----------
    method : str
        A name of `sharpening.methods.METHODS`.
    weights : Path, optional
        Directory of weights files; without it, the package's own.
    layer : {"day", "night"}
        Of the LST granule.
    bounds : Extent, optional
        In degrees; the map is the smallest window of coarse pixels that
        holds it. Without it or a shape, the whole granule.
    shape : Path, optional
        A GeoJSON file with polygons; pixels outside them are masked.
    water : Path, optional
        A MOD44W granule of the tile, or a directory of them, of which the one of
        the nearest year is taken; its water is masked.
    allow_different_days : bool
        Take an NDVI of another day, `MOST_DAYS_APART` at the most: NDVI changes slowly.
    quicklook : bool
        Write a PNG map beside the output, too.
    seed : int
        For methods that draw random numbers.
    threads : int
        Of the CPU, for networks, for the pixels after them, and for the file.
    lst_encoding, ndvi_encoding : Encoding
        What is said of a GeoTIFF's numbers; what is not is judged by the file.
    lst_qc : Path, optional
        A GeoTIFF of the QC of a LST that is a GeoTIFF.
    """

    method: str = DEFAULT_METHOD
    weights: Path | None = None
    layer: Layer = "day"
    bounds: Extent | None = None
    shape: Path | None = None
    water: Path | None = None
    allow_different_days: bool = False
    quicklook: bool = False
    seed: int = 0
    threads: int = 1
    lst_encoding: Encoding = field(default_factory=Encoding)
    ndvi_encoding: Encoding = field(default_factory=Encoding)
    lst_qc: Path | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"unknown method '{self.method}'; known methods: {', '.join(METHODS)}.")
        if self.bounds is not None and self.shape is not None:
            raise InputError("bounds and a shape exclude each other; give one of them.")
        if not 1 <= self.threads <= MOST_THREADS:
            raise InputError(f"threads is {self.threads}; expected 1 to {MOST_THREADS}.")
        if self.weights is not None and not self.weights.is_dir():
            raise InputError(f"{self.weights}: no such directory; expected weights files there.")

    @property
    def weights_path(self) -> Path | None:
        """The file that a network's weights are read from; None for a method that has none.

        Raises
        ------
        InputError
            If there are none for this network.
        """
        if self.method not in NETWORKS:
            return None
        path = weights_file(self.weights, NETWORKS[self.method])
        if path is None:
            where = f"{self.weights} holds" if self.weights else "the package brings"
            raise InputError(
                f"{self.method}: {where} no weights for it; name a directory with"
                f" {NETWORKS[self.method]}.safetensors, which 'lstsr train' writes."
            )
        return path

    @property
    def geometry(self) -> shapely.Geometry | None:
        """The area asked for, in degrees; None for the whole granule."""
        if self.shape is not None:
            return area.read_shape(self.shape)
        return area.box(self.bounds) if self.bounds is not None else None


def default_threads(method: str) -> int:
    """How many threads of the CPU a method takes if nobody says: for a network as many as torch would."""
    if method in NETWORKS:
        import torch  # for networks alone

        return int(torch.get_num_threads())
    return min(os.cpu_count() or 1, MOST_THREADS)


def request_of(**settings: Any) -> Request:
    """A request from what a user writes: names of files as texts, bounds as four numbers.

    >>> request_of(method="tsharp", bounds=(3.2, 46.0, 4.0, 46.6), threads=1).bounds
    Extent(west=3.2, south=46.0, east=4.0, north=46.6)

    Raises
    ------
    InputError
        If a value cannot be used.
    TypeError
        If there is no such field.
    """
    for name in _PATHS & settings.keys():
        settings[name] = None if settings[name] is None else Path(settings[name])
    bounds = settings.get("bounds")
    if bounds is not None and not isinstance(bounds, Extent):
        settings["bounds"] = area.parse_bounds(",".join(map(str, bounds)))
    request = Request(**settings)
    return request if "threads" in settings else replace(request, threads=default_threads(request.method))


_PATHS = {field.name for field in fields(Request) if "Path" in str(field.type)}
