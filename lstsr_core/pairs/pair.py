"""ASTER–MODIS pairs: a 1 km LST, a 250 m NDVI and the
concomitant ASTER LST that judges the sharpened product."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import sha256_of_numbers
from lstsr_core.geo.grid import FINE_PIXEL_M, SCALE, SINUSOIDAL, SPHERE_RADIUS_M, check_nested
from lstsr_core.geo.raster import BoolArray, FloatArray, Raster, read_raster, write_raster
from lstsr_core.pairs.unpickler import read_arrays_pickle

PATCH_COARSE_PIXELS = 64
LST_VALID_K = (150.0, 1310.7)
"""Digital numbers 7500 to 65535 of MOD11 and MOD21 (product
guides): beyond them a value is no temperature."""
LST_USUAL_K = (200.0, 400.0)
"""Where the middle half of a scene lies on Earth, by which units are
told; fires and hot roofs are warmer, and legal."""
NDVI_VALID = (-1.0, 1.0)
_SCALED_SHARE = 0.05
"""Share of the values that must be valid, or the whole image counts as unscaled."""
ASTER_STORED_PER_K = 10.0
PUBLISHED_PAIRS = 83
DIGEST_DIGITS = 12

_ASTER_SUFFIX = "_aster_250m.tif"
_PICKLE_SUFFIX = "_data_dict.pkl"
_LST_SUFFIX = "_lst_1km.tif"
_NDVI_SUFFIX = "_ndvi_250m.tif"


@dataclass(frozen=True)
class ModisPair:
    """What MODIS saw of a pair: all that sharpening and training take.

    Attributes
    ----------
    id : str
        The file id, such as "57".
    lst : Raster
        MODIS LST in kelvin, (rows, columns) coarse pixels, sinusoidal.
    ndvi : Raster
        NDVI from −1 to 1, (4·rows, 4·columns) fine pixels, sinusoidal; its origin may differ from the LST's.
    provenance : dict of str to str
        Where the arrays were read from; under "remarks" what is odd about them, and legal.
    """

    id: str
    lst: Raster
    ndvi: Raster
    provenance: dict[str, str] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        check_lst(self.lst.values, f"pair {self.id}")
        check_ndvi(self.ndvi.values, f"pair {self.id}")
        check_nested(self.lst.values.shape, self.ndvi.values.shape, f"pair {self.id}")
        for name, raster, pixel_m in (
            ("LST", self.lst, SCALE * FINE_PIXEL_M),
            ("NDVI", self.ndvi, FINE_PIXEL_M),
        ):
            if abs(raster.pixel_width_m - pixel_m) > 0.001 * pixel_m:
                raise InputError(
                    f"pair {self.id}: {name} has pixels of {raster.pixel_width_m:g} m; expected"
                    f" {pixel_m:.3f} m."
                )
            if not is_modis_sinusoidal(raster.crs):
                raise InputError(
                    f"pair {self.id}: {name} is in CRS {raster.crs.to_string()[:60]}; expected the MODIS"
                    f" sinusoidal projection on a sphere of {SPHERE_RADIUS_M} m. Reproject it first."
                )

    @property
    def remarks(self) -> str:
        """What is odd about the pair, and legal; empty if nothing is."""
        return self.provenance.get("remarks", "")

    @property
    def digest(self) -> str:
        """First digits of the sha256 of the LST, by which
        weights tell whether they were trained on this scene."""
        return sha256_of_numbers(self.lst.values)[:DIGEST_DIGITS]


@dataclass(frozen=True)
class Pair(ModisPair):
    """One ASTER–MODIS pair, each raster on its own grid.

    Attributes
    ----------
    aster : Raster
        ASTER LST in kelvin at 250 m, UTM; NaN outside the swath, mixed with zeros along its edge.
    """

    aster: Raster

    def __post_init__(self) -> None:
        super().__post_init__()
        if (
            not self.aster.crs.is_projected
            or abs(self.aster.pixel_width_m - FINE_PIXEL_M) > 0.05 * FINE_PIXEL_M
        ):
            raise InputError(
                f"pair {self.id}: ASTER has pixels of {self.aster.pixel_width_m:g} in"
                f" {self.aster.crs.to_string()[:60]}; expected about {FINE_PIXEL_M:.2f} m in a UTM zone."
            )


AnyPair = TypeVar("AnyPair", bound=ModisPair)


def is_modis_sinusoidal(crs: CRS) -> bool:
    """Whether a CRS is the projection of the MODIS grids, however it is written."""
    parameters = crs.to_dict()
    shifts = [float(parameters.get(name, 0.0)) for name in ("lon_0", "x_0", "y_0")]
    sphere = abs(float(parameters.get("R", 0.0)) - SPHERE_RADIUS_M) <= 1.0
    return (
        parameters.get("proj") == "sinu"
        and parameters.get("units", "m") == "m"
        and sphere
        and not any(shifts)
    )


def check_lst(lst_k: FloatArray, where: str) -> None:
    """Refuse an LST that is not in kelvin, by the bulk of its values,
    or that holds a value which is no temperature.

    Raises
    ------
    InputError
        If there is no valid pixel, a value lies outside
        `LST_VALID_K`, or the quartiles lie outside `LST_USUAL_K`.
    """
    valid = lst_k[~np.isnan(lst_k)]
    if valid.size == 0:
        raise InputError(f"{where}: LST has no valid pixel; expected kelvin with NaN for nodata.")
    quartiles = np.percentile(valid, [25.0, 75.0])
    if not (_within(valid, LST_VALID_K).all() and _within(quartiles, LST_USUAL_K).all()):
        low, high = LST_USUAL_K
        raise InputError(
            f"{where}: LST spans {valid.min():g} to {valid.max():g}, half of it {quartiles[0]:g} to"
            f" {quartiles[1]:g}; expected kelvin, half of them between {low:g} and {high:g}. Digital numbers"
            " must be multiplied by 0.02 and fill values set to NaN first."
        )


def check_ndvi(ndvi: FloatArray, where: str) -> None:
    """Refuse an NDVI with values outside [−1, 1] or without any valid pixel.

    Raises
    ------
    InputError
    """
    valid = ndvi[~np.isnan(ndvi)]
    if valid.size == 0 or not _within(valid, NDVI_VALID).all():
        span = f"spans {valid.min():g} to {valid.max():g}" if valid.size else "has no valid pixel"
        raise InputError(
            f"{where}: NDVI {span}; expected values in [−1, 1]. Unscaled NDVI must be divided first."
        )


def _within(values: FloatArray, limits: tuple[float, float]) -> BoolArray:
    return np.asarray((values >= limits[0]) & (values <= limits[1]))


def _masked_invalid(raster: Raster, name: str, limits: tuple[float, float]) -> tuple[Raster, list[str]]:
    """The raster without values that its product cannot have, and a
    remark on them; one that is unscaled stays as it is."""
    invalid = np.isfinite(raster.values) & ~_within(raster.values, limits)
    count, valid = int(invalid.sum()), int(np.isfinite(raster.values).sum())
    if not count or valid - count < _SCALED_SHARE * valid:
        return raster, []
    remark = (
        f"{_counted(raster.values, invalid, name)} outside the valid {limits[0]:g} to {limits[1]:g}, masked"
    )
    return raster.with_values(np.where(invalid, np.nan, raster.values)), [remark]


def _counted(values: FloatArray, which: BoolArray, name: str) -> str:
    """Such as ``1 of 4096 pixels of LST (402.12)``."""
    low, high = values[which].min(), values[which].max()
    return (
        f"{int(which.sum())} of {values.size} pixels of {name}"
        f" ({low:g}{f' to {high:g}' if high > low else ''})"
    )


def _unusual_lst(lst_k: FloatArray, name: str) -> list[str]:
    unusual = np.isfinite(lst_k) & ~_within(lst_k, LST_USUAL_K)
    low, high = LST_USUAL_K
    return (
        [f"{_counted(lst_k, unusual, name)} outside the usual {low:g} to {high:g} K"] if unusual.any() else []
    )


def _pairs_directory(directory: Path) -> Path:
    for candidate in (directory, directory / "data", directory / "test_data_formatted" / "data"):
        if any(any(candidate.glob(f"*{suffix}")) for suffix in (_ASTER_SUFFIX, _PICKLE_SUFFIX, _LST_SUFFIX)):
            return candidate
    raise InputError(
        f"{directory}: holds no ASTER–MODIS pair; expected <id>{_ASTER_SUFFIX} with <id>{_PICKLE_SUFFIX} "
        f"(or <id>{_LST_SUFFIX} and <id>{_NDVI_SUFFIX})."
    )


def pair_ids(directory: Path) -> list[str]:
    """Ids of the pairs in a directory, in the order of their numbers.

    A pair counts when any of its files is there, so that an incomplete one is noticed when it is read.

    Raises
    ------
    InputError
        If there is none.
    """
    suffixes = "|".join(re.escape(s) for s in (_ASTER_SUFFIX, _PICKLE_SUFFIX, _LST_SUFFIX, _NDVI_SUFFIX))
    pattern = re.compile(rf"(.+?)(?:{suffixes})")
    ids = {
        match[1] for file in _pairs_directory(directory).iterdir() if (match := pattern.fullmatch(file.name))
    }
    return sorted(ids, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))


def read_pair(directory: Path, pair_id: str) -> Pair:
    """Read one pair, in the published layout or in this project's own.

    Published: ``<id>_data_dict.pkl``; own: ``<id>_lst_1km.tif`` (kelvin) and ``<id>_ndvi_250m.tif``; both
    with ``<id>_aster_250m.tif`` (kelvin times ten, zero outside the swath).

    Raises
    ------
    InputError
        If a file is missing, damaged, hostile, or holds values that are not what it should hold.
    """
    folder = _pairs_directory(directory)
    aster, odd = _read_aster(folder / f"{pair_id}{_ASTER_SUFFIX}")
    modis = _read_modis(folder, pair_id)
    remarks = [remark for remark in (modis.remarks, *odd) if remark]
    provenance = {**modis.provenance, **({"remarks": "; ".join(remarks)} if remarks else {})}
    return Pair(modis.id, modis.lst, modis.ndvi, aster, provenance=provenance)


def read_modis(directory: Path, pair_id: str) -> ModisPair:
    """Read one pair without its ASTER file, which need not be there; otherwise as `read_pair`."""
    return _read_modis(_pairs_directory(directory), pair_id)


def _read_modis(folder: Path, pair_id: str) -> ModisPair:
    pickled, lst_file, ndvi_file = (
        folder / f"{pair_id}{suffix}" for suffix in (_PICKLE_SUFFIX, _LST_SUFFIX, _NDVI_SUFFIX)
    )
    if lst_file.is_file() or ndvi_file.is_file():
        lst, ndvi = read_raster(lst_file), read_raster(ndvi_file)
        provenance = {"layout": "geotiff", "lst": lst_file.name}
    elif pickled.is_file():
        lst, ndvi = _read_published(pickled)
        provenance = {"layout": "published", "lst": pickled.name}
    else:
        raise InputError(
            f"pair {pair_id}: neither {pickled.name} nor {lst_file.name} is in {folder}. Fetch the pair"
            " again, or leave it out."
        )
    lst, lst_remarks = _masked_invalid(lst, "LST", LST_VALID_K)
    ndvi, ndvi_remarks = _masked_invalid(ndvi, "NDVI", NDVI_VALID)
    remarks = [*lst_remarks, *_unusual_lst(lst.values, "LST"), *ndvi_remarks]
    if remarks:
        provenance["remarks"] = "; ".join(remarks)
    return ModisPair(pair_id, lst, ndvi, provenance=provenance)


def write_pair(pair: Pair, directory: Path) -> None:
    """Write a pair in this project's own layout: three
    GeoTIFFs, ASTER as kelvin times ten with zeros outside."""
    write_raster(pair.lst, directory / f"{pair.id}{_LST_SUFFIX}")
    write_raster(pair.ndvi, directory / f"{pair.id}{_NDVI_SUFFIX}")
    write_aster(pair.aster, directory / f"{pair.id}{_ASTER_SUFFIX}")


def write_aster(aster: Raster, path: Path) -> None:
    """Write ASTER LST (kelvin; 0 or NaN outside the swath) as the published
    database does: times ten, zeros, no nodata told."""
    stored = np.nan_to_num(aster.values * ASTER_STORED_PER_K, nan=0.0)
    write_raster(aster.with_values(stored), path, nodata=None)


def _read_aster(path: Path) -> tuple[Raster, list[str]]:
    aster = read_raster(path, scale=1.0 / ASTER_STORED_PER_K, fill=0.0)
    # Most of the swath: its edge is mixed with zeros, and a fire may be hotter than its surroundings.
    median_k, hottest_k = float(np.nanmedian(aster.values)), float(np.nanmax(aster.values))
    if not (LST_USUAL_K[0] <= median_k <= LST_USUAL_K[1] and hottest_k <= LST_VALID_K[1]):
        raise InputError(
            f"{path}: the numbers have the median {median_k * ASTER_STORED_PER_K:g} and the largest "
            f"{hottest_k * ASTER_STORED_PER_K:g}; expected kelvin times ten, the median between "
            f"{LST_USUAL_K[0] * ASTER_STORED_PER_K:g} and {LST_USUAL_K[1] * ASTER_STORED_PER_K:g}."
        )
    return aster, _unusual_lst(np.maximum(aster.values, LST_USUAL_K[0]), "ASTER")


def _read_published(path: Path) -> tuple[Raster, Raster]:
    content = read_arrays_pickle(path)
    shapes = {"LST": (PATCH_COARSE_PIXELS, PATCH_COARSE_PIXELS), "NDVI": (SCALE * PATCH_COARSE_PIXELS,) * 2}
    rasters = [_published_raster(path, content, name, shape) for name, shape in shapes.items()]
    return rasters[0], rasters[1]


def _published_raster(path: Path, content: dict[str, Any], name: str, shape: tuple[int, int]) -> Raster:
    for key, size in ((name, shape), (f"geo {name}", (6,))):
        array = content.get(key)
        if not isinstance(array, np.ndarray) or array.shape != size or array.dtype.kind not in "fiu":
            kind = (
                f"an array of {array.shape} {array.dtype}"
                if isinstance(array, np.ndarray)
                else type(array).__name__
            )
            raise InputError(
                f"{path}: '{key}' is {'missing' if array is None else kind}; expected a numeric array of"
                f" {size}. Fetch the pair again from the published database."
            )
    values = content[name].astype(np.float64)
    if name == "LST":
        values[values == 0.0] = np.nan
    return Raster(values, Affine.from_gdal(*content[f"geo {name}"].tolist()), SINUSOIDAL)


def fine_offset(pair: ModisPair) -> tuple[int, int]:
    """Fine pixels (rows down, columns right) from the LST patch's origin to the NDVI patch's origin.

    Raises
    ------
    InputError
        If the offset is not whole: the two grids then do not nest.
    """
    down = (pair.lst.top_m - pair.ndvi.top_m) / FINE_PIXEL_M
    right = (pair.ndvi.left_m - pair.lst.left_m) / FINE_PIXEL_M
    if abs(down - round(down)) > 0.01 or abs(right - round(right)) > 0.01:
        raise InputError(
            f"pair {pair.id}: NDVI starts {down:.3f} rows and {right:.3f} columns of 250 m from the LST;"
            " expected whole numbers, both cut from one MODIS tile."
        )
    return round(down), round(right)


def _shared_extent(offset: int, coarse_pixels: int, fine_pixels: int) -> tuple[slice, slice]:
    first_coarse = max(0, -(-offset // SCALE))
    first_fine = SCALE * first_coarse - offset
    count = min(coarse_pixels - first_coarse, (fine_pixels - first_fine) // SCALE)
    return slice(first_coarse, first_coarse + count), slice(first_fine, first_fine + SCALE * count)


def align(pair: AnyPair) -> AnyPair:
    """Cut LST and NDVI to the whole coarse pixels that both cover, so that
    block (i, j) of NDVI lies in LST pixel (i, j).

    Where the NDVI patch starts k > 0 fine pixels below the LST patch, coarse row 0 goes, with NDVI rows 0 … 3
    − k and the last k; columns likewise (Method 5).

    Raises
    ------
    InputError
        If the patches do not nest or share less than one coarse pixel.
    """
    down, right = fine_offset(pair)
    lst_rows, ndvi_rows = _shared_extent(down, pair.lst.rows, pair.ndvi.rows)
    lst_columns, ndvi_columns = _shared_extent(right, pair.lst.columns, pair.ndvi.columns)
    if lst_rows.stop <= lst_rows.start or lst_columns.stop <= lst_columns.start:
        raise InputError(
            f"pair {pair.id}: NDVI starts {down} rows and {right} columns of 250 m away; the patches do not"
            " overlap."
        )
    return replace(
        pair, lst=pair.lst.crop(lst_rows, lst_columns), ndvi=pair.ndvi.crop(ndvi_rows, ndvi_columns)
    )


def as_paired(pair: AnyPair) -> AnyPair:
    """The pair as the published evaluation takes it: LST moved to
    the NDVI's origin, whatever their true offset."""
    ndvi, lst = pair.ndvi, pair.lst
    moved = Affine(lst.transform.a, 0.0, ndvi.left_m, 0.0, lst.transform.e, ndvi.top_m)
    return replace(pair, lst=Raster(lst.values, moved, lst.crs))


def fine_grid(pair: ModisPair) -> Raster:
    """The 250 m grid under an aligned pair's LST, by the LST's own transform; its pixels are the NDVI's."""
    transform = pair.lst.transform @ Affine.scale(1.0 / SCALE)
    return Raster(pair.ndvi.values, transform, CRS(pair.lst.crs))
