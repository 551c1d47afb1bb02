"""From a LST and an NDVI of one day, two granules of a tile or GeoTIFFs on the MODIS grids,
to a map of LST at 250 m with its consistency residual and a validity flag.

What a network sees where there is no valid pixel (cloud, fill) is the nearest valid one; such pixels are
masked in the map again, so that windows with gaps need no rule of their own, and windows without any
valid pixel are not computed. An area is computed with `MARGIN_COARSE_PIXELS` of the granule around it:
for a network its map is then the part of the whole tile's map, while the methods that fit a scene
(regressions, DMS) fit the area with this margin.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from affine import Affine

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.base.fingerprint import fingerprint, git_revision, sha256
from lstsr_core.base.outputs import refuse_inputs
from lstsr_core.base.progress import step
from lstsr_core.base.project import is_there
from lstsr_core.geo.grid import FINE_PIXEL_M, SCALE
from lstsr_core.geo.operators import degrade
from lstsr_core.geo.raster import BoolArray, Raster, read_tags
from lstsr_core.geo.window import Window
from lstsr_core.maps import area, cog
from lstsr_core.maps.bands import Area, Bands, map_bands
from lstsr_core.maps.inputs import (
    SNAP_COARSE_PIXELS,
    Input,
    check_encodings,
    check_lst,
    check_ndvi,
    days_apart,
    other_origins,
    read_coarse,
    read_fine,
    tile_of,
)
from lstsr_core.maps.request import Request, request_of
from lstsr_core.maps.validity import (
    CLOUD,
    FLAGS,
    TRAINED_ON,
    away_from_training_km,
    range_warnings,
    shares_of,
    unseen_warnings,
)
from lstsr_core.modis.granule import read_water_and_origin
from lstsr_core.modis.water import water_granule
from lstsr_core.networks.weights_files import read_card
from lstsr_core.sharpening.methods import METHODS, OWN_METHODS, Options, coefficients_of
from lstsr_core.sharpening.restoration import coefficients_file
from lstsr_core.sharpening.uncertainty import uncertainty_k, uncertainty_of

if TYPE_CHECKING:
    from lstsr_core.networks.weights import Model

MARGIN_COARSE_PIXELS = 64
_HECTARES = FINE_PIXEL_M**2 / 1e4


@dataclass(frozen=True)
class Summary:
    """What a map holds.

    Attributes
    ----------
    out : Path
    made : bool
        False if it was there already, made from the same inputs.
    rows, columns : int
        Fine pixels.
    shares : dict of str to float
        Share of the pixels with each of `FLAGS`, by its meaning.
    lst_mean_k, lst_min_k, lst_max_k : float
    consistency_k : float
        RMSE of the degraded map against the 1 km LST.
    warnings : tuple of str
        One line each.
    """

    out: Path
    made: bool
    rows: int
    columns: int
    shares: dict[str, float]
    lst_mean_k: float
    lst_min_k: float
    lst_max_k: float
    consistency_k: float
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        shares = ", ".join(f"{share:.1%} {meaning}" for meaning, share in self.shares.items() if share)
        return (
            f"{self.out}: {self.rows}×{self.columns} pixels ({shares}), LST {self.lst_min_k:.1f} to"
            f" {self.lst_max_k:.1f} K, degraded within {self.consistency_k:.2f} K of the 1 km LST"
            + ("" if self.made else "; was there already")
        )


def predict(
    lst: str | os.PathLike[str],
    ndvi: str | os.PathLike[str],
    out: str | os.PathLike[str],
    request: Request | None = None,
    **settings: Any,
) -> Summary:
    """Make a map of LST at 250 m from two files, or leave it as it is if it was
    made from the same inputs by the same settings: what ``lstsr predict`` does.

    Parameters
    ----------
    lst, ndvi, out : path
        As of `predict_granule`.
    request : Request, optional
        Settings as one object.
    **settings
        In its place, those fields of `request.Request` that shall differ from their defaults: ``method``,
        ``layer``, ``water`` and so on; ``bounds`` as four numbers (west, south, east, north). Without
        ``threads`` as many as the method takes.

    Returns
    -------
    Summary
        What the map holds, with a line for each warning.

    Raises
    ------
    InputError, NoResult
        As `predict_granule`.
    TypeError
        If a setting is unknown.

    Examples
    --------
    >>> import lstsr_core, datetime, pathlib, tempfile
    >>> from lstsr_core.simulation.scenes import simulate
    >>> folder = tempfile.TemporaryDirectory()
    >>> granules = pathlib.Path(folder.name, "granules")
    >>> simulate(granules.parent, days=[datetime.date(2019, 7, 19)], windows=1, pairs=0)
    >>> (lst,), (reflectance,) = granules.glob("MOD21A1D*"), granules.glob("MOD09GQ*")
    >>> summary = lstsr_core.predict(lst, reflectance, granules / "map.tif", method="tsharp")
    >>> summary.rows, summary.columns, summary.consistency_k < 1.0
    (256, 256, True)
    >>> folder.cleanup()
    """
    if request is None:
        request = request_of(**settings)
    elif settings:
        raise TypeError(f"a request, and {', '.join(settings)} beside it; give one of them.")
    return predict_granule(Path(lst), Path(ndvi), Path(out), request)


@dataclass(frozen=True)
class Ground:
    """What a request asks of a granule.

    Attributes
    ----------
    lst : Raster
        The whole granule's; of a GeoTIFF, what the NDVI covers, too.
    window : Window
        The pixels of `lst` that are asked for.
    phase : (int, int)
        As of `inputs.Coarse`.
    inside : bool array or None
        Which fine pixels of the window belong to the shape; None where no shape is asked for.
    warnings : tuple of str
        One line each: what is asked for and not there, or too small, and what is odd about the granule.
    """

    lst: Raster
    window: Window
    phase: tuple[int, int]
    inside: BoolArray | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """The area with its margin: aligned rasters, and where in them the area is.

    Attributes
    ----------
    lst, ndvi : Raster
    coarse : Window
        The area's pixels in `lst`.
    water : bool array or None
        Of the area's fine shape; None where no mask is asked for.
    warnings : tuple of str
        Of the granules' own metadata, one line each.
    inside : bool array or None
        As of `Ground`.
    unseen : bool
        Whether the weights have seen nothing of the kind (`validity.unseen_warnings`).
    padding : (int, int)
        Rows and columns of 1 km pixels to put before them, so that a network's windows lie where the whole
        tile's do.
    """

    lst: Raster
    ndvi: Raster
    coarse: Window
    water: BoolArray | None
    warnings: tuple[str, ...]
    inside: BoolArray | None = None
    unseen: bool = False
    padding: tuple[int, int] = (0, 0)

    @property
    def fine(self) -> Window:
        spans = (
            slice(SCALE * span.start, SCALE * span.stop) for span in (self.coarse.rows, self.coarse.columns)
        )
        return Window(*spans)


def predict_granule(
    lst_path: Path, ndvi_path: Path, out: Path, request: Request, shared: dict[str, str] | None = None
) -> Summary:
    """Make a map of a LST and an NDVI, or leave it as it is if it was
    made from the same inputs by the same request.

    Parameters
    ----------
    lst_path : Path
        A MOD21A1D, MOD21A1N or MOD11A1 granule, or Aqua's of these names; or a GeoTIFF of such LST.
    ndvi_path : Path
        A MOD09GQ or MYD09GQ granule of the same tile and day, a MOD13Q1 or MYD13Q1 granule whose 16 days
        hold it, or a GeoTIFF of NDVI.
    out : Path
        The Cloud-Optimised GeoTIFF to write: LST in kelvin; D of the map minus the 1 km LST
        over each coarse pixel, NaN where the sensor's footprint holds a masked pixel;
        `FLAGS`; of the companion's methods that tell it, the uncertainty in kelvin. A quicklook has its
        name with ``.png``.
    request : Request
    shared : dict of str to str, optional
        `request_tags` of the request, where many maps are made by one.

    Raises
    ------
    InputError
        If a file is damaged or of another product than is taken, they are of different tiles or days,
        the weights are missing, or `out` cannot be written or is one of the inputs.
    NoResult
        If the area lies outside, or no pixel of it has both a valid LST and a valid NDVI.
    """
    warnings = check_names(lst_path, ndvi_path, request)
    picture, water = picture_of(out) if request.quicklook else None, water_of(request, lst_path)
    refuse_inputs(
        [path for path in (out, picture) if path is not None],
        [
            path
            for path in (lst_path, request.lst_qc, ndvi_path, water, request.shape, request.weights_path)
            if path is not None
        ],
    )
    tags = map_tags(lst_path, ndvi_path, shared or request_tags(request), water)
    summary = recalled(out, tags["LSTSR_FINGERPRINT"])
    if summary is None:
        with step("Reading"):
            ground = read_area(lst_path, ndvi_path, request)
            scene = replace(
                _read_scene(ground, lst_path, ndvi_path, water, request),
                inside=ground.inside,
                unseen=bool(_unseen(Input.of(lst_path), request)),
            )
        try:
            summary = write_map(scene, out, request, tags, warnings + ground.warnings + scene.warnings)
        except NoResult as error:
            raise NoResult(f"{lst_path}: {error}") from error
    if request.quicklook:
        draw_picture(summary)
    return summary


def write_map(
    scene: Scene, out: Path, request: Request, tags: Mapping[str, str], warnings: tuple[str, ...]
) -> Summary:
    """Sharpen a scene and write its map, with these tags and warnings and those of its temperatures.

    Raises
    ------
    InputError
        If the weights are damaged or `out` cannot be written.
    NoResult
        If no pixel of the area has both a valid LST and a valid NDVI.
    """
    model = model_of(request)
    bands = sharpened(scene, request, model)
    if model is not None:
        lst_k, ndvi = scene.coarse.of(scene.lst.values), scene.fine.of(scene.ndvi.values)
        warnings += range_warnings(lst_k, ndvi, bands.validity, model.statistics, model.source)
    summary = _summary(out, bands, warnings)
    legend = {f"FLAG_{number}": meaning for number, meaning in FLAGS.items()}
    layers = [
        cog.Band(bands.lst_k, "LST", "K"),
        cog.Band(bands.residual_k, "consistency residual at 1 km", "K"),
        cog.Band(bands.validity, "validity", "", legend),
    ]
    if bands.uncertainty_k is not None:
        layers.append(cog.Band(bands.uncertainty_k, "uncertainty", "K", uncertainty_tags(request)))
    corner = scene.ndvi.transform @ Affine.translation(scene.fine.columns.start, scene.fine.rows.start)
    content = {name: value for name, value in asdict(summary).items() if name not in ("out", "made")}
    all_tags = {**tags, "LSTSR_SUMMARY": json.dumps(content)}
    with step(f"Writing {out.name}"):
        cog.write_cog(layers, corner, scene.ndvi.crs, out, all_tags, request.threads)
    return summary


def draw_picture(summary: Summary) -> None:
    """Draw the quicklook of a map that is new, or that has none."""
    picture = picture_of(summary.out)
    if summary.made or not picture.is_file():
        # cartopy and matplotlib, for those who want a picture
        from lstsr_core.maps.quicklook import write_quicklook

        with step(f"Drawing {picture.name}"):
            write_quicklook(summary.out, picture)


def recalled(out: Path, fingerprint: str) -> Summary | None:
    """What a map holds that is there and was made of just this; None where it is not."""
    tags = read_tags(out)
    if tags.get("LSTSR_FINGERPRINT") != fingerprint:
        return None
    content = json.loads(tags["LSTSR_SUMMARY"])
    return Summary(out=out, made=False, **{**content, "warnings": tuple(content["warnings"])})


def picture_of(out: Path) -> Path:
    """Where the quicklook of a map lies.

    Raises
    ------
    InputError
        If that is the map's own place.
    """
    if out.suffix.lower() == ".png":
        raise InputError(
            f"{out}: is the quicklook's own name, and the map is a GeoTIFF; give --out a name that ends with"
            " .tif."
        )
    return out.with_suffix(".png")


def check_names(lst_path: Path, ndvi_path: Path, request: Request) -> tuple[str, ...]:
    """Refuse inputs of wrong products, layers, tiles or days; a
    warning for each way in which they differ and may.

    Raises
    ------
    InputError
    """
    for path in (lst_path, request.lst_qc, ndvi_path, request.water, request.shape):
        if path is not None and not is_there(path) and set("*?[") & set(path.name):
            raise InputError(
                f"{path}: no file matches this pattern; look for a file there, and for its name."
            )
    lst, ndvi = check_lst(lst_path, request.layer), check_ndvi(ndvi_path)
    check_encodings(lst_path, ndvi_path, request)
    if None not in (lst.tile, ndvi.tile) and ndvi.tile != lst.tile:
        raise InputError(
            f"{ndvi_path}: is of tile {ndvi.tile}, and the LST ({lst_path.name}) is of tile"
            f" {lst.tile}; give two granules of one tile."
        )
    water_of(request, lst_path)
    days = days_apart(lst, ndvi, request.allow_different_days)
    return (*days, *other_origins(lst, ndvi), *_unseen(lst, request))


def _unseen(lst: Input, request: Request) -> tuple[str, ...]:
    if request.weights_path is None:
        return ()
    centre = area.to_degrees(*(np.array([at_m]) for at_m in tile_of(lst).centre_m))
    # Of a GeoTIFF by day that does not tell its satellite, Terra's is taken on trust.
    platform = lst.platform or ("Terra" if request.layer == "day" else "an unknown platform")
    return unseen_by_weights(request, platform, float(centre[0][0]), float(centre[1][0]))


def unseen_by_weights(request: Request, platform: str, longitude: float, latitude: float) -> tuple[str, ...]:
    """A line for each way in which a place and its LST are of what the weights have not seen.

    None for a method without weights, and for weights of the user's own.
    """
    path = request.weights_path
    if path is None or (request.weights is not None and path.suffix != ".pt"):
        return ()
    return unseen_warnings(platform, request.layer, away_from_training_km(longitude, latitude))


def water_of(request: Request, lst_path: Path) -> Path | None:
    """The water mask for a LST granule; None where none is asked for.

    Raises
    ------
    InputError
        If it is of another product or tile, or the directory has none of this tile.
    """
    if request.water is None:
        return None
    lst = Input.of(lst_path)
    # Of a GeoTIFF that tells no day, the newest mask.
    return water_granule(request.water, tile_of(lst), lst.first_day or datetime.date.max)


def request_tags(request: Request) -> dict[str, str]:
    """What of a map's tags does not depend on its granules.

    Raises
    ------
    InputError
        If a file that the request names cannot be read.
    """
    tags = {
        "LSTSR_METHOD": request.method,
        "LSTSR_VERSION": version("lstsr"),
        "LSTSR_GIT_REVISION": git_revision(),
    }
    values: dict[str, Any] = {"layer": request.layer, "seed": request.seed}
    if request.bounds is not None:
        values["bounds"] = asdict(request.bounds)
    for name, said in (("lst", request.lst_encoding.values), ("ndvi", request.ndvi_encoding.values)):
        values |= {f"{name}_{key}": value for key, value in said.items()}
    for name, path in (("shape", request.shape), ("water", request.water), ("lst_qc", request.lst_qc)):
        if path is not None and not path.is_dir():  # which of a directory's masks is taken, `map_tags` tells
            values |= {name: path.name, f"{name}_sha256": sha256(path)}
    tags["LSTSR_PARAMETERS"] = json.dumps(values, sort_keys=True)
    if request.weights_path is not None:
        tags["LSTSR_WEIGHTS"] = request.weights_path.name
        tags["LSTSR_WEIGHTS_SHA256"] = sha256(request.weights_path)
        tags["LSTSR_WEIGHTS_GIT_REVISION"] = str(card_of(request.weights_path).get("git_revision", "unknown"))
    coefficients = coefficients_of(request.method, Options(request.weights))
    if coefficients is not None:
        tags["LSTSR_COEFFICIENTS_SHA256"] = sha256(coefficients)
    if request.method in OWN_METHODS:
        tags["LSTSR_METHOD_SHA256"] = OWN_METHODS[request.method]
    return tags


def map_tags(
    lst_path: Path,
    ndvi_path: Path,
    shared: dict[str, str],
    water: Path | None,
    digest: Callable[[Path], str] = sha256,
) -> dict[str, str]:
    """What a map is made from and by; LSTSR_FINGERPRINT is a digest of it all.

    Parameters
    ----------
    lst_path, ndvi_path : Path
    shared : dict of str to str
        By `request_tags`.
    water : Path or None
        By `water_of`.
    digest : callable
        Gives the sha256 of a granule.

    Raises
    ------
    InputError
        If a granule cannot be read.
    """
    tags = dict(shared)
    lst, ndvi = Input.of(lst_path), Input.of(ndvi_path)
    daily = ndvi.tile is not None and not ndvi.is_composite
    for role, source in (("LST", lst), ("REFLECTANCE" if daily else "NDVI", ndvi)):
        tags[f"LSTSR_{role}_GRANULE"], tags[f"LSTSR_{role}_SHA256"] = source.path.name, digest(source.path)
        if source.platform is not None:
            tags[f"LSTSR_{role}_PLATFORM"] = source.platform
        if source.collection is not None:
            tags[f"LSTSR_{role}_COLLECTION"] = source.collection
    tags["LSTSR_NDVI"] = str(ndvi)
    if water is not None and "water_sha256" not in json.loads(shared["LSTSR_PARAMETERS"]):
        tags["LSTSR_WATER_GRANULE"], tags["LSTSR_WATER_SHA256"] = water.name, digest(water)
    return {**tags, "LSTSR_FINGERPRINT": fingerprint(tags)}


def is_made(out: Path, tags: dict[str, str], request: Request) -> bool:
    """Whether a map is there, whole and of the same inputs, with the quicklook that a request asks for."""
    same = read_tags(out).get("LSTSR_FINGERPRINT") == tags["LSTSR_FINGERPRINT"]
    return same and (not request.quicklook or picture_of(out).is_file())


def read_area(lst_path: Path, ndvi_path: Path, request: Request) -> Ground:
    """The LST where there may be NDVI, and what a request asks of it.

    Raises
    ------
    InputError
        If the LST cannot be read.
    NoResult
        If the area lies outside of it, or has no LST.
    """
    coarse = read_coarse(lst_path, ndvi_path, request)
    lst = coarse.lst
    window, inside, warnings = Window(slice(0, lst.rows), slice(0, lst.columns)), None, []
    geometry = request.geometry
    if geometry is not None:
        name = str(request.shape or "the box of bounds")
        try:
            window, missing = area.window_around(geometry, lst, name)
        except NoResult as error:
            raise NoResult(f"{lst_path}: {error}") from error
        if missing > 1e-6:
            share = f"{missing:.1%}" if missing >= 0.001 else "less than 0.1%"
            warnings.append(f"{share} of {name} lies outside the granule, and is not on the map")
        if request.shape is not None:
            inside, more = shape_mask(geometry, fine_grid(lst, window), name)
            warnings += more
    if not np.isfinite(window.of(lst.values)).any():
        raise NoResult(f"{lst_path}: {nothing(f'{FLAGS[CLOUD]}: 100%')}")
    return Ground(lst, window, coarse.phase, inside, (*warnings, *coarse.warnings))


def shape_mask(geometry: shapely.Geometry, grid: Raster, name: str) -> tuple[BoolArray, tuple[str, ...]]:
    """Which fine pixels belong to a shape, and a line where polygons of it are smaller than one."""
    inside, small = area.inside(geometry, grid)
    if not small:
        return inside, ()
    what = f"{small} of its polygons hold" if small > 1 else "a polygon holds"
    return inside, (
        f"{name}: {what} no centre of a 250 m pixel ({_HECTARES:.1f} ha), and the pixels it touches are"
        " mapped",
    )


def fine_grid(lst: Raster, window: Window) -> Raster:
    """The 250 m grid over a window of a 1 km raster; one number stands for every pixel."""
    part = lst.crop(window.rows, window.columns)
    values = np.broadcast_to(np.float32(0.0), (SCALE * part.rows, SCALE * part.columns))
    return Raster(values, part.transform @ Affine.scale(1 / SCALE), lst.crs)


def nothing(shares: str) -> str:
    """Why there is no map of an area, by the shares of the flags of its pixels."""
    return f"no pixel of the area is valid ({shares}); choose another day or area."


def _read_scene(
    ground: Ground, lst_path: Path, ndvi_path: Path, water_path: Path | None, request: Request
) -> Scene:
    lst, window = ground.lst, ground.window
    ndvi, warnings = read_fine(ndvi_path, lst_path, lst, request)
    (rows, above), (columns, left) = (
        _snapped(window.rows, lst.rows, ground.phase[0]),
        _snapped(window.columns, lst.columns, ground.phase[1]),
    )
    around = Window(rows, columns)
    fine = [slice(SCALE * span.start, SCALE * span.stop) for span in (around.rows, around.columns)]
    water = None
    if water_path is not None:
        water, water_warnings = _water(water_path, fine_grid(lst, window))
        warnings += water_warnings
    return Scene(
        lst.crop(rows, columns),
        ndvi.crop(*fine),
        window.inside(around),
        water,
        warnings,
        padding=(above, left),
    )


def with_margin(span: slice, end: int, begin: int = 0) -> slice:
    """A span of coarse pixels with its margin, as far as there are pixels from `begin` to `end`."""
    first, last = span.start - MARGIN_COARSE_PIXELS, span.stop + MARGIN_COARSE_PIXELS
    snap = SNAP_COARSE_PIXELS
    return slice(max(first // snap * snap, begin), min(-(-last // snap) * snap, end))


def _snapped(span: slice, size: int, phase: int) -> tuple[slice, int]:
    """A span with its margin, which begins at a multiple of the snap in the tile; how many pixels before the
    first would bring it there, where there are none."""
    in_tile = slice(span.start + phase, span.stop + phase)
    there, wanted = with_margin(in_tile, size + phase, phase), with_margin(in_tile, size + phase)
    return slice(there.start - phase, there.stop - phase), there.start - wanted.start


def card_of(path: Path) -> dict[str, Any]:
    """What a weights file tells of itself; of a published checkpoint, what is known of it.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of another architecture.
    """
    return read_card(path) if path.suffix == ".safetensors" else _load_model(path).card


def model_of(request: Request) -> Model | None:
    """The network that a request's method works with; None for a method without one.

    Raises
    ------
    InputError
        If there are no weights for it, or they cannot be used.
    """
    return None if request.weights_path is None else _load_model(request.weights_path)


def _load_model(path: Path) -> Model:
    from lstsr_core.networks.weights import load_model  # torch, for networks alone

    return load_model(path)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    torch = sys.modules.get("torch")  # loaded by now, if the method works with it
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def sharpened(scene: Scene, request: Request, model: Model | None) -> Bands:
    """The bands of a scene's map: what `predict_granule` writes, and `dataset.sharpen` gives.

    Parameters
    ----------
    scene : Scene
    request : Request
        Of it the method, weights, seed and threads.
    model : Model or None
        By `model_of`.

    Raises
    ------
    NoResult
        If no pixel has both a valid LST and a valid NDVI, or the method cannot work on them.
    """
    lst_k, ndvi = scene.lst.values, scene.ndvi.values
    options = Options(weights=request.weights, seed=request.seed, threads=request.threads)
    with _torch_threads(request.threads):
        if model is None or scene.padding == (0, 0):
            fine_k = METHODS[request.method].sharpener(lst_k, ndvi, options)
        else:
            above, left = scene.padding
            padded_k = np.pad(lst_k, ((above, 0), (left, 0)), constant_values=np.nan)
            beside = np.pad(ndvi, ((SCALE * above, 0), (SCALE * left, 0)), constant_values=np.nan)
            fine_k = METHODS[request.method].sharpener(padded_k, beside, options)
            fine_k = fine_k[SCALE * above :, SCALE * left :]
    residual_k = degrade(fine_k) - lst_k
    coefficients = uncertainty_of(request.method, coefficients_file(request.weights))
    deviation_k = None if coefficients is None else uncertainty_k(fine_k, lst_k, ndvi, coefficients)
    area = Area(
        scene.coarse.of(lst_k), scene.fine.of(ndvi), scene.fine.of(fine_k), scene.coarse.of(residual_k),
        model.statistics if model is not None else None, scene.water, scene.inside,
        None if deviation_k is None else scene.fine.of(deviation_k), scene.unseen,
    )  # fmt: skip
    bands = map_bands(area, request.threads)
    if not np.isfinite(bands.mean_k):
        shares = ", ".join(
            f"{meaning}: {share:.0%}" for meaning, share in shares_of(bands.validity).items() if share
        )
        raise NoResult(nothing(shares))
    return bands


def uncertainty_tags(request: Request) -> dict[str, str]:
    """What a map says of its uncertainty, for methods that tell one."""
    coefficients = uncertainty_of(request.method, coefficients_file(request.weights))
    assert coefficients is not None
    return {
        "MEANING": "one standard deviation of the LST's difference from ASTER's at 250 m, the difference of"
        " level between the two sensors included; near gaps widened by what gaps did to whole scenes",
        "LEVEL_PART_K": f"{coefficients.offset_part_k:.3f}",
        "LEVEL_PART": "of it by level alone, the same all over a map: the rest is sqrt(uncertainty^2 -"
        " LEVEL_PART_K^2)",
        "CALIBRATED_ON": f"development scenes out of fold, {TRAINED_ON}",
    }


def _water(path: Path, grid: Raster) -> tuple[BoolArray, tuple[str, ...]]:
    """Where on a fine grid a mask has water, and what is odd about the mask."""
    water, origin = read_water_and_origin(path)
    row, column = (
        round((water.top_m - grid.top_m) / grid.pixel_width_m),
        round((grid.left_m - water.left_m) / grid.pixel_width_m),
    )
    if min(row, column) < 0 or row + grid.rows > water.rows or column + grid.columns > water.columns:
        raise InputError(f"{path}: does not cover the area; expected the water mask of the same tile.")
    return (
        np.asarray(water.values[row : row + grid.rows, column : column + grid.columns] == 1.0),
        origin.warnings,
    )


def _summary(out: Path, bands: Bands, warnings: tuple[str, ...]) -> Summary:
    # Rounded, since the last digits of long sums differ with the place of the
    # array in memory, and the map's tags with them.
    figures = bands.mean_k, bands.min_k, bands.max_k, bands.consistency_k
    mean_k, min_k, max_k, consistency_k = (round(value, 4) for value in figures)
    rows, columns = bands.validity.shape
    return Summary(
        out, True, rows, columns, shares_of(bands.validity), mean_k, min_k, max_k, consistency_k, warnings
    )
