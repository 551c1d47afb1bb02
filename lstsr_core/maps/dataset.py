"""LST sharpened from xarray to xarray: a day, or a stack of days, each made when it is asked for."""

from __future__ import annotations

import os
import warnings
from functools import partial
from typing import Any

import numpy as np
import rioxarray
import xarray
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SCALE, SPHERE_RADIUS_M, check_nested
from lstsr_core.geo.raster import FloatArray, Raster
from lstsr_core.geo.window import Window
from lstsr_core.maps.area import to_degrees
from lstsr_core.maps.attributes import ATTRIBUTES
from lstsr_core.maps.bands import Area, Bands, map_bands
from lstsr_core.maps.inputs import phase_of
from lstsr_core.maps.predict import (
    Scene,
    model_of,
    request_tags,
    sharpened,
    uncertainty_tags,
    unseen_by_weights,
)
from lstsr_core.maps.request import Request, request_of
from lstsr_core.modis.dataset import CONVENTIONS
from lstsr_core.pairs.pair import check_lst, check_ndvi, is_modis_sinusoidal
from lstsr_core.sharpening.methods import DEFAULT_METHOD, METHODS
from lstsr_core.sharpening.restoration import coefficients_file
from lstsr_core.sharpening.uncertainty import uncertainty_of

COARSE_DIMS = ("y_1km", "x_1km")
"""Dimensions of the residual, which lies on the grid of the 1 km LST."""

FINE_DIMS = ("y", "x")

_KELVIN = {"k", "kelvin", "kelvins", "degk", "degree_kelvin", "degrees_kelvin"}
_TOLERANCE_M = 1.0
_PIXEL_TOLERANCE = 1e-3


def sharpen(
    lst: xarray.DataArray,
    ndvi: xarray.DataArray,
    method: str = DEFAULT_METHOD,
    *,
    weights: str | os.PathLike[str] | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> xarray.Dataset:
    """Sharpen LST from 1 km to 250 m.

    Each day is sharpened by itself. If `lst` or `ndvi` is of Dask, so is the result, and a day is made
    when it is asked for, in one task: a stack takes the memory of the days that are worked on at once.
    Pixels are those of a map that `predict` makes of the same area; of a part of a granule by a network, away
    from its edges those of the whole.

    Parameters
    ----------
    lst : DataArray of shape (…, rows, columns)
        Kelvin, with NaN for gaps, on a part of the MODIS sinusoidal grid of 1 km; as `open_granule` gives it.
        A dimension before y and x, such as time, is one of days.
    ndvi : DataArray of shape (…, 4·rows, 4·columns)
        −1 to 1, with NaN for gaps, over the same ground. Without the dimension of days it serves for all.
    method : str
        A name in `sharpening.methods.METHODS`.
    weights : path, optional
        Directory of weights files; without it, the package's own.
    seed : int
        For methods that draw random numbers.
    threads : int, optional
        Of the CPU, for a day; without it as many as the method takes, or one for each day of a lazy stack.

    Returns
    -------
    xarray.Dataset
        `LST` (K), `validity` (flags) and, of methods that tell it, `uncertainty` (K, one standard
        deviation) of shape (…, 4·rows, 4·columns); `residual` (K), the LST degraded minus the 1 km LST, of
        shape (…, rows, columns) and dimensions `COARSE_DIMS`. With all coordinates and the CRS.

    Raises
    ------
    InputError
        If the grids do not nest, are not MODIS's or have no CRS, the numbers are not kelvin and NDVI (of
        Dask's, when they are computed), or the method or its weights cannot be used.
    NoResult
        If a single day has nothing to work on. In a stack, such a day is NaN.

    Warns
    -----
    UserWarning
        For each way in which the weights have not seen the like: the region, or the platform or half of the
        day that the attributes of `lst` tell. Such pixels are flagged.

    Examples
    --------
    >>> import lstsr_core, datetime, pathlib, tempfile
    >>> from lstsr_core.simulation.scenes import simulate
    >>> folder = tempfile.TemporaryDirectory()
    >>> granules = pathlib.Path(folder.name, "granules")
    >>> simulate(granules.parent, days=[datetime.date(2019, 7, 19)], windows=1, pairs=0)
    >>> lst, ndvi = (lstsr_core.open_granule(next(granules.glob(f"{product}*")))[name]
    ...              for product, name in [("MOD21A1D", "LST"), ("MOD09GQ", "NDVI")])
    >>> day = lstsr_core.sharpen(lst, ndvi, method="tsharp")
    >>> dict(day["LST"].sizes), dict(day["residual"].sizes)
    ({'y': 256, 'x': 256}, {'y_1km': 64, 'x_1km': 64})
    >>> folder.cleanup()
    """
    coarse, fine = _grid(lst, "LST", COARSE_PIXEL_M), _grid(ndvi, "NDVI", FINE_PIXEL_M)
    _check_nested(coarse, fine)
    _check_kelvin(lst)
    coarse_dims, fine_dims = _spatial_dims(lst), _spatial_dims(ndvi)
    lst = lst.rename(dict(zip(coarse_dims, COARSE_DIMS, strict=True)))
    ndvi = ndvi.rename(dict(zip(fine_dims, FINE_DIMS, strict=True)))
    days = _days(lst, ndvi)
    lazy = lst.chunks is not None or ndvi.chunks is not None
    request = request_of(
        method=method, weights=weights, seed=seed, layer=lst.attrs.get("layer", "day"),
        **({} if threads is None and not lazy else {"threads": threads or 1}),
    )  # fmt: skip
    tags = request_tags(request)
    lines = _unseen(lst, coarse, request)
    for line in lines:
        warnings.warn(line, stacklevel=2)
    if lazy:
        sizes = {**dict.fromkeys(days, 1), **dict.fromkeys([*COARSE_DIMS, *FINE_DIMS], -1)}
        lst, ndvi = (image.chunk({dim: sizes[str(dim)] for dim in image.dims}) for image in (lst, ndvi))
    layers = {"LST": FINE_DIMS, "residual": COARSE_DIMS, "validity": FINE_DIMS}
    if _has_uncertainty(request):
        layers["uncertainty"] = FINE_DIMS
    images = xarray.apply_ufunc(
        partial(
            _sharpened_days, request=request, grids=(coarse, fine), stack=bool(days), unseen=bool(lines)
        ),
        lst, ndvi,
        input_core_dims=[COARSE_DIMS, FINE_DIMS],
        output_core_dims=list(layers.values()),
        output_dtypes=[np.uint8 if name == "validity" else np.float32 for name in layers],
        dask="parallelized",
        keep_attrs=False,
    )  # fmt: skip
    dataset = xarray.Dataset(dict(zip(layers, images, strict=True)))
    return _described(dataset, lst, ndvi, coarse.crs, request, tags)


def _spatial_dims(image: xarray.DataArray) -> tuple[str, str]:
    return str(image.rio.y_dim), str(image.rio.x_dim)


def _grid(image: xarray.DataArray, name: str, pixel_m: float) -> Raster:
    """Where the pixels of an image lie, as zeros that take no memory.

    Raises
    ------
    InputError
        If that is no part of the MODIS grid of such pixels.
    """
    if not isinstance(image, xarray.DataArray):
        raise InputError(
            f"sharpen: {name} is a {type(image).__name__}; expected a DataArray, such as"
            f" open_granule(path)['{name}']."
        )
    try:
        missing = [dim for dim in _spatial_dims(image) if dim not in image.coords]
        centres = [image[dim].to_numpy().astype(np.float64) for dim in _spatial_dims(image)]
    except rioxarray.exceptions.MissingSpatialDimensionError:
        raise InputError(
            f"sharpen: {name} has the dimensions {', '.join(map(str, image.dims))}; expected y and x at the"
            " end."
        ) from None
    if missing:
        raise InputError(
            f"sharpen: {name} has no coordinates along {' and '.join(missing)}; expected the centres of its"
            " pixels in metres."
        )
    if image.rio.crs is None:
        raise InputError(
            f"sharpen: {name} has no CRS; expected the MODIS sinusoidal projection. If it is in that, say so:"
            f" .rio.write_crs('+proj=sinu +R={SPHERE_RADIUS_M} +units=m')."
        )
    if not is_modis_sinusoidal(image.rio.crs):
        raise InputError(
            f"sharpen: {name} is in CRS {image.rio.crs.to_string()[:60]}; expected the MODIS sinusoidal"
            f" projection on a sphere of {SPHERE_RADIUS_M} m, in which its pixels were not resampled."
        )
    steps_m = [np.diff(along_m) for along_m in centres]
    expected_m = (-pixel_m, pixel_m)
    if not all(
        along_m.size and np.allclose(along_m, step_m, rtol=_PIXEL_TOLERANCE)
        for along_m, step_m in zip(steps_m, expected_m, strict=True)
    ):
        sizes = " and ".join(f"{np.median(along_m):.3f}" if along_m.size else "none" for along_m in steps_m)
        raise InputError(
            f"sharpen: {name} has steps of {sizes} m along y and x; expected {-pixel_m:.3f} and"
            f" {pixel_m:.3f} m, from the north-west, without a pixel left out."
        )
    down_m, right_m = (float(along_m.mean()) for along_m in steps_m)
    rows, columns = (along_m.size for along_m in centres)
    left_m, top_m = centres[1][0] - right_m / 2.0, centres[0][0] - down_m / 2.0
    transform = Affine(right_m, 0.0, left_m, 0.0, down_m, top_m)
    return Raster(np.broadcast_to(np.float32(0.0), (rows, columns)), transform, image.rio.crs)


def _check_nested(coarse: Raster, fine: Raster) -> None:
    check_nested(coarse.values.shape, fine.values.shape, "sharpen")
    right_m, down_m = fine.left_m - coarse.left_m, coarse.top_m - fine.top_m
    if max(abs(right_m), abs(down_m)) > _TOLERANCE_M:
        raise InputError(
            f"sharpen: NDVI begins {right_m:.0f} m right of the LST's corner and {down_m:.0f} m below it;"
            f" expected {SCALE}×{SCALE} of its pixels in each of the LST's. Cut both at the borders of the"
            " LST's pixels."
        )


def _check_kelvin(lst: xarray.DataArray) -> None:
    units = lst.attrs.get("units")
    if units is not None and str(units).strip().lower() not in _KELVIN:
        raise InputError(
            f"sharpen: LST is in '{units}' by its attributes; expected K. Convert it, and set"
            " attrs['units'] = 'K'."
        )


def _days(lst: xarray.DataArray, ndvi: xarray.DataArray) -> list[str]:
    """Dimensions that are none of the grid's.

    Raises
    ------
    InputError
        If LST and NDVI differ along one.
    """
    days = [str(dim) for image in (lst, ndvi) for dim in image.dims if dim not in (*COARSE_DIMS, *FINE_DIMS)]
    for dim in set(lst.dims) & set(ndvi.dims):
        if not lst[dim].equals(ndvi[dim]):
            raise InputError(
                f"sharpen: LST has {lst.sizes[dim]} steps along {dim} and NDVI {ndvi.sizes[dim]}, or others;"
                f" expected the same. Give each LST its NDVI: ndvi.sel({dim}=lst['{dim}'], method='nearest')."
            )
    return list(dict.fromkeys(days))


def _has_uncertainty(request: Request) -> bool:
    return uncertainty_of(request.method, coefficients_file(request.weights)) is not None


def _unseen(lst: xarray.DataArray, grid: Raster, request: Request) -> tuple[str, ...]:
    """A line for each way in which the weights have not seen the like; where no platform is told, Terra's."""
    centre_m = grid.transform @ (grid.columns / 2, grid.rows / 2)
    longitude, latitude = to_degrees(*(np.array([at_m]) for at_m in centre_m))
    platform = str(lst.attrs.get("platform", "Terra"))
    return unseen_by_weights(request, platform, float(longitude[0]), float(latitude[0]))


def _sharpened_days(
    lst_k: FloatArray,
    ndvi: FloatArray,
    *,
    request: Request,
    grids: tuple[Raster, Raster],
    stack: bool,
    unseen: bool,
) -> tuple[NDArray[Any], ...]:
    """LST, residual, validity and perhaps uncertainty of some days, (…, rows, columns) each."""
    days = np.broadcast_shapes(lst_k.shape[:-2], ndvi.shape[:-2])
    coarse, fine = (grid.values.shape for grid in grids)
    lst_k, ndvi = np.broadcast_to(lst_k, (*days, *coarse)), np.broadcast_to(ndvi, (*days, *fine))
    layers = [np.empty((*days, *shape), np.float32) for shape in (fine, coarse)]
    layers.append(np.empty((*days, *fine), np.uint8))
    if _has_uncertainty(request):
        layers.append(np.empty((*days, *fine), np.float32))
    for day in np.ndindex(days):
        lst, ndvi_of_day = (
            grid.with_values(image[day].astype(np.float64, copy=False))
            for grid, image in zip(grids, (lst_k, ndvi), strict=True)
        )
        bands = _bands(lst, ndvi_of_day, request, stack, unseen)
        # The band repeats the residual over a block, NaN where the map is masked.
        residual_k = np.fmax.reduce(bands.residual_k.reshape(coarse[0], SCALE, coarse[1], SCALE), axis=(1, 3))
        for layer, image in zip(
            layers, (bands.lst_k, residual_k, bands.validity, bands.uncertainty_k), strict=False
        ):
            layer[day] = image
    return tuple(layers)


def _bands(lst: Raster, ndvi: Raster, request: Request, stack: bool, unseen: bool) -> Bands:
    """A day's bands; of a stack's, without LST where there is nothing to work on."""
    if np.isfinite(lst.values).any():
        check_lst(lst.values, "sharpen")
    if np.isfinite(ndvi.values).any():
        check_ndvi(ndvi.values, "sharpen")
    whole = Window(slice(0, lst.rows), slice(0, lst.columns))
    try:
        return sharpened(
            Scene(lst, ndvi, whole, None, (), unseen=unseen, padding=phase_of(lst)),
            request,
            model_of(request),
        )
    except NoResult:
        if not stack:
            raise
    gaps, coarse_gaps = np.full_like(ndvi.values, np.nan), np.full_like(lst.values, np.nan)
    uncertainty_k = gaps if _has_uncertainty(request) else None
    area = Area(lst.values, ndvi.values, gaps, coarse_gaps, None, None, None, uncertainty_k)
    return map_bands(area, request.threads)


def _described(
    dataset: xarray.Dataset,
    lst: xarray.DataArray,
    ndvi: xarray.DataArray,
    crs: CRS,
    request: Request,
    tags: dict[str, str],
) -> xarray.Dataset:
    """With the coordinates of both grids, the CRS, and attributes by the CF conventions."""
    mappings = {image.rio.grid_mapping for image in (lst, ndvi)}
    coordinates = {
        name: coordinate.variable  # alone: as an array it brings the CRS's variable along, with a transform
        for name, coordinate in {**ndvi.coords, **lst.coords}.items()
        if set(coordinate.dims) <= set(dataset.dims) and name not in mappings
    }
    dataset = dataset.drop_vars(mappings, errors="ignore").assign_coords(coordinates)
    for name, variable in dataset.variables.items():
        variable.attrs = dict(ATTRIBUTES.get(str(name).removesuffix("_1km"), variable.attrs))
    dataset["LST"].attrs |= {key: lst.attrs[key] for key in ("platform", "layer") if key in lst.attrs}
    if "uncertainty" in dataset:
        dataset["LST"].attrs["ancillary_variables"] += " uncertainty"
        dataset["uncertainty"].attrs |= {
            key.lower(): value for key, value in uncertainty_tags(request).items()
        }
    label = METHODS[request.method].label
    dataset.attrs = {"Conventions": CONVENTIONS, "title": f"LST at 250 m by {label}", **tags}
    # No transform is written beside the CRS: two grids share it, and each has its own in its coordinates.
    described: xarray.Dataset = dataset.rio.write_crs(crs)
    return described
