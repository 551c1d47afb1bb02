"""What the notebooks call: one function a cell, which reads the run's files, writes results and gives back what to show."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio.warp
import shapely
from IPython.display import Image

from lstsr_core import archive, evaluation, figures
from lstsr_core.contrast import inversion
from lstsr_core.degradation import block_mean, degrade
from lstsr_core.errors import InputError, NoResult
from lstsr_core.evaluation import ASTER_VALID_K, Comparison
from lstsr_core.fourier import attenuation_db, frequencies_per_m
from lstsr_core.metrics import bias, consistency_k, rmse
from lstsr_core.networks import PUBLISHED_CHECKPOINTS, SharpeningUNet, read_statistics, save_model, weights_file
from lstsr_core.pair_statistics import pair_statistics
from lstsr_core.pairs import PUBLISHED_PAIRS, Pair, align, fine_grid, fine_offset, pair_ids, read_pair
from lstsr_core.parameters import AsterEvaluation, Download, Fourier, NotebookParameters, Patches, Sharpening, Training
from lstsr_core.patches import granule_patches, pair_patches, read_patches, read_table, write_patches
from lstsr_core.progress import bar
from lstsr_core.project import TRAINING_CURVES, sha256
from lstsr_core.provenance import git_revision
from lstsr_core.raster import FloatArray, Raster, written_atomically
from lstsr_core.sharpeners import METHODS, WEIGHTS_MISSING, sharpen
from lstsr_core.simulator import TILE, simulate
from lstsr_core.training import MODEL, TrainedModel, loss_of_upsampled, train

MAIN_METRICS = [
    "rmse_k", "bias_k", "rmse_unbiased_k", "correlation", "psnr_db", "ssim", "consistency_k", "frr", "fro", "attenuation_rmse_db",
]  # fmt: skip

PRODUCT_COLUMNS = ["scene", "method", "status", "mean_k", "std_k", "min_k", "max_k", "mean_abs_step_k", "consistency_k"]

Judging = Sharpening | Fourier | AsterEvaluation


def write_json(settings: NotebookParameters, name: str, content: Mapping[str, Any]) -> None:
    """Write a JSON file into the notebook's directory, keys sorted."""
    with written_atomically(settings.directory / name) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def write_csv(settings: NotebookParameters, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Write a table into the notebook's directory and give it back."""
    evaluation.write_table(table, settings.directory / name)
    return table


def pairs_directory(settings: NotebookParameters) -> Path:
    """Where 01_download left the run's pairs."""
    return settings.run / Download.notebook / "pairs"


def chosen_pairs(settings: Judging) -> list[str]:
    """The ids that `pairs` asks for, of those that 01_download brought.

    Raises
    ------
    InputError
        If 01_download has not been run, or an id is not there.
    """
    directory = pairs_directory(settings)
    if not directory.is_dir():
        raise InputError(f"{directory}: no such directory; run 01_download first (lstsr run --profile … --only 01).")
    present = pair_ids(directory)
    if settings.pairs == ["all"]:
        return present
    absent = [name for name in settings.pairs if name not in present]
    if absent:
        raise InputError(f"{settings.notebook}: parameter 'pairs' names {', '.join(absent)}, of which there is no pair here.")
    return settings.pairs


def pairs_of(settings: NotebookParameters, ids: Sequence[str]) -> Iterator[Pair]:
    """Read pairs one by one, with a bar."""
    for pair_id in bar(ids, "Pairs", "pair"):
        yield read_pair(pairs_directory(settings), pair_id)


def shown_pair(settings: Judging) -> Pair:
    """The pair that `scene` asks for; "first" is the first of the chosen ones."""
    ids = chosen_pairs(settings)
    scene = ids[0] if settings.scene == "first" else settings.scene
    if scene not in ids:
        raise InputError(
            f"{settings.notebook}: parameter 'scene' is '{scene}'; expected one of the chosen pairs: {', '.join(ids)}."
        )
    return read_pair(pairs_directory(settings), scene)


def steady_figures(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table that no training decides, so alike on every machine: what the stored notebooks are held against."""
    trained = {METHODS[name].label for name in PUBLISHED_CHECKPOINTS} | set(PUBLISHED_CHECKPOINTS)
    return table[~table.index.isin(trained)].map(lambda value: f"{value:.4f}" if isinstance(value, float) else value)


# 01_download


def bring_data(settings: Download) -> pd.DataFrame:
    """Simulate the sample, or verify and link the published pairs; write ``manifest.csv``.

    Returns
    -------
    DataFrame
        How many files of each kind have which status.
    """
    directory = settings.directory
    if settings.source == "sample":
        simulate(directory, settings.seed, settings.dates, settings.windows, settings.pairs, settings.mtf)
        paths = sorted(path for folder in ("granules", "pairs") for path in (directory / folder).iterdir())
        rows = [
            [f"{p.parent.name}/{p.name}", p.parent.name.removesuffix("s"), p.stat().st_size, sha256(p), "simulated"]
            for p in paths
        ]
        manifest = pd.DataFrame(rows, columns=["file", "kind", "bytes", "sha256", "status"])
    else:
        files = archive.verify(archive.published_directory())
        archive.link_verified(files, directory / "pairs", directory / "weights")
        manifest = files[["file", "kind", "bytes", "sha256", "status"]]
    write_csv(settings, "manifest.csv", manifest)
    return manifest.groupby(["kind", "status"]).size().rename("files").reset_index()


def describe_pairs(settings: Download) -> pd.DataFrame:
    """Write ``pairs.csv`` (place, offset and statistics of each pair), ``footprints.geojson`` and ``summary.json``.

    Returns
    -------
    DataFrame
        One row for each pair.
    """
    rows, features = [], []
    for pair in pairs_of(settings, pair_ids(settings.directory / "pairs")):
        outline = footprint(pair)
        centre = shapely.Polygon(outline).centroid
        down, right = fine_offset(pair)
        aligned = align(pair)
        place = {"longitude": centre.x, "latitude": centre.y, "utm_zone": pair.aster.crs.to_epsg() % 100}
        offsets = {"ndvi_rows_down": down, "ndvi_columns_right": right}
        statistics = pair_statistics(aligned.lst.values, aligned.ndvi.values, pair.aster.values)
        rows.append({"scene": pair.id, **place, **offsets, **statistics})
        geometry = {"type": "Polygon", "coordinates": [np.round(outline, 5).tolist()]}
        features.append({"type": "Feature", "properties": {"scene": pair.id}, "geometry": geometry})
    write_json(settings, "footprints.geojson", {"type": "FeatureCollection", "features": features})
    summary = {
        "source": settings.source,
        "synthetic": settings.source == "sample",
        "pairs": len(rows),
        "pairs_published": PUBLISHED_PAIRS,
        "granules": len(list(settings.directory.glob("granules/*.hdf"))),
    }
    write_json(settings, "summary.json", summary)
    return write_csv(settings, "pairs.csv", pd.DataFrame(rows))


def footprint(pair: Pair) -> FloatArray:
    """Outline of the ASTER swath, (points, 2) longitudes and latitudes in degrees, closed."""
    rows, columns = np.nonzero(np.nan_to_num(pair.aster.values) >= ASTER_VALID_K)
    points = np.column_stack([pair.aster.left_m + (columns + 0.5) * pair.aster.pixel_width_m,
                              pair.aster.top_m + (rows + 0.5) * pair.aster.transform.e])  # fmt: skip
    hull = shapely.MultiPoint(points).convex_hull.simplify(2.0 * pair.aster.pixel_width_m)
    x, y = np.asarray(hull.exterior.coords.xy)
    longitudes, latitudes = rasterio.warp.transform(pair.aster.crs, "EPSG:4326", x.tolist(), y.tolist())
    return np.column_stack([longitudes, latitudes])


def landscape_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """10 %, median and 90 % of each statistic over the pairs."""
    columns = [name for name in pairs.columns if name not in ("scene", "longitude", "latitude", "utm_zone")]
    quantiles = pairs[columns].astype(float).quantile([0.1, 0.5, 0.9]).T
    return quantiles.set_axis(["p10", "median", "p90"], axis="columns").rename_axis("statistic").reset_index()


def show_study_area(settings: Download) -> Image:
    """Figure 3: the tile and the ASTER footprints."""
    content = json.loads((settings.directory / "footprints.geojson").read_text())
    outlines = {f["properties"]["scene"]: np.array(f["geometry"]["coordinates"][0]) for f in content["features"]}
    return figures.show(figures.study_area(outlines, TILE), settings.directory, "study_area")


def show_example_pair(settings: Download) -> Image:
    """Figure 4: the first pair."""
    directory = settings.directory / "pairs"
    pair = read_pair(directory, pair_ids(directory)[0])
    return figures.show(figures.example_pair(pair), settings.directory, "example_pair")


# 02_patches


def cut_patches(settings: Patches) -> pd.DataFrame:
    """Cut patches, split them, write ``patches.csv`` and the training split's ``statistics.json``."""
    source = settings.run / Download.notebook / ("granules" if settings.source == "granules" else "pairs")
    if not source.is_dir():
        raise InputError(f"{source}: no such directory; run 01_download first, with a source that brings {settings.source}.")
    cut = granule_patches if settings.source == "granules" else pair_patches
    patches = bar(cut(source, settings.coverage), "Patches", "patch")
    table = write_patches(patches, settings.directory, settings.training_share, settings.seed)
    statistics = read_patches(table[table["split"] == "train"], settings.directory).statistics()
    write_json(settings, "statistics.json", asdict(statistics))
    return write_csv(settings, "patches.csv", table)


def regress_patches(settings: Patches) -> pd.DataFrame:
    """Write ``regressions.csv``: slope, intercept and R² of LST on 1 km NDVI in each patch."""
    patches = read_patches(read_table(settings.directory), settings.directory)
    rows = []
    for name, lst_k, ndvi in zip(patches.names, patches.lst_k, block_mean(patches.ndvi), strict=True):
        valid = np.isfinite(lst_k) & np.isfinite(ndvi)
        slope, intercept = np.polyfit(ndvi[valid], lst_k[valid], 1)
        r_squared = float(np.corrcoef(ndvi[valid], lst_k[valid])[0, 1] ** 2)
        rows.append([name, float(np.nanmean(lst_k)), slope, intercept, r_squared])
    columns = ["patch", "lst_mean_k", "slope_k_per_ndvi", "intercept_k", "r_squared"]
    return write_csv(settings, "regressions.csv", pd.DataFrame(rows, columns=columns))


def show_seasons(settings: Patches, regressions: pd.DataFrame) -> Image:
    """Figure 5: patches by month."""
    dates = read_table(settings.directory)["date"].tolist()
    return figures.show(figures.seasons(dates, regressions["lst_mean_k"].tolist()), settings.directory, "seasons")


def show_regressions(settings: Patches, regressions: pd.DataFrame) -> Image:
    """Figure 6: LST against NDVI over the patches."""
    patches = read_patches(read_table(settings.directory), settings.directory)
    lst_k, ndvi = patches.lst_k.ravel(), block_mean(patches.ndvi).ravel()
    valid = np.isfinite(lst_k) & np.isfinite(ndvi)
    slopes, r_squared = regressions["slope_k_per_ndvi"].to_numpy(), regressions["r_squared"].to_numpy()
    return figures.show(figures.regressions(ndvi[valid], lst_k[valid], slopes, r_squared), settings.directory, "regressions")


# 03_training


def train_model(settings: Training) -> TrainedModel | None:
    """Train SIF-CNN-SR1 on the run's patches and write its weights; nothing with ``train: false``."""
    if not settings.train:
        return None
    directory = settings.run / Patches.notebook
    table = read_table(directory)
    training, validation = (read_patches(table[table["split"] == split], directory) for split in ("train", "validation"))
    trained = train(training, validation, settings)
    card = {"model": MODEL, "git_revision": git_revision(), "best_epoch": str(trained.best_epoch)}
    card |= {name: str(value) for name, value in settings.model_dump(exclude={"run_directory"}).items()}
    save_model(trained.network, trained.statistics, settings.directory / "weights" / f"{MODEL}.safetensors", card)
    return trained


def collect_curves(settings: Training, trained: TrainedModel | None) -> pd.DataFrame:
    """Write ``curves.csv``: the published training curves, and those of the network trained here."""
    parts = [
        pd.read_csv(TRAINING_CURVES / f"{model}.csv").assign(model=model, source="published") for model in PUBLISHED_CHECKPOINTS
    ]
    if trained is not None:
        parts.append(trained.curves.assign(model=MODEL, source="trained"))
    curves = pd.concat(parts, ignore_index=True)
    leading = ["model", "source", "epoch"]
    return write_csv(settings, "curves.csv", curves[[*leading, *(name for name in curves.columns if name not in leading)]])


def summarise_curves(settings: Training, curves: pd.DataFrame) -> pd.DataFrame:
    """Write ``training.json`` and give back, for each curve, the best epoch, epochs run and the lowest validation loss."""
    best = curves.loc[curves.groupby(["model", "source"], sort=False)["val_loss"].idxmin()]
    epochs = curves.groupby(["model", "source"], sort=False)["epoch"].max().to_numpy()
    summary = best[["model", "source", "epoch", "val_loss"]].rename(columns={"epoch": "best_epoch"}).assign(epochs_run=epochs)
    state = SharpeningUNet().state_dict()
    size = {"state_numbers": sum(tensor.numel() for tensor in state.values()), "state_tensors": len(state)}
    write_json(settings, "training.json", {**size, "trained_here": settings.train, "curves": summary.to_dict("records")})
    return summary.reset_index(drop=True)


def show_curves(settings: Training, curves: pd.DataFrame, source: str) -> Image | None:
    """Figure 7: training and validation curves, "published" or "trained"; nothing if there are none."""
    group = curves[curves["source"] == source]
    if group.empty:
        return None
    return figures.show(figures.training_curves(group), settings.directory, f"curves_{source}")


def training_figures(settings: Training) -> pd.DataFrame:
    """What the network sees, and the losses that the upsampled LST itself scores on the validation patches."""
    state = SharpeningUNet().state_dict()
    rows = {"numbers in the network": f"{sum(tensor.numel() for tensor in state.values())}"}
    directory = settings.run / Patches.notebook
    table = read_table(directory)
    statistics = read_statistics(directory / "statistics.json")
    rows |= {f"{split} patches": str(int((table["split"] == split).sum())) for split in ("train", "validation")}
    rows |= {name: f"{value:.4f}" for name, value in asdict(statistics).items()}
    whole = table[(table["split"] == "validation") & (table["bad_share"] == 0.0)]
    if len(whole):
        upsampled = loss_of_upsampled(read_patches(whole, directory), statistics, settings)
        terms = {"total": upsampled.total, "reconstruction": upsampled.reconstruction, "texture": upsampled.texture}
        rows |= {f"{name} loss of bicubic": f"{loss.item():.6f}" for name, loss in terms.items()}
    return pd.DataFrame({"value": rows})


# 04_sharpening


def products_of(pair: Pair, settings: Judging) -> tuple[dict[str, Raster], dict[str, str]]:
    """Each method's product for an aligned pair, and for each method without one the reason."""
    made: dict[str, Raster] = {}
    reasons: dict[str, str] = {}
    for name in settings.methods:
        try:
            made[name] = sharpen(pair, name, settings.options)
        except NoResult as error:
            reasons[name] = str(error)
    return made, reasons


def sharpen_pairs(settings: Sharpening) -> pd.DataFrame:
    """Write ``products.csv``: each product's statistics and its consistency with the 1 km LST it was made from.

    Returns
    -------
    DataFrame
        Per method, means over the scenes.
    """
    rows = []
    for pair in map(align, pairs_of(settings, chosen_pairs(settings))):
        made, reasons = products_of(pair, settings)
        for name in settings.methods:
            row: dict[str, object] = {"scene": pair.id, "method": name, "status": reasons.get(name, "ok")}
            if name in made:
                row |= _product_statistics(made[name].values, pair.lst.values, settings.mtf)
            rows.append(row)
    table = write_csv(settings, "products.csv", pd.DataFrame(rows, columns=PRODUCT_COLUMNS))
    return evaluation.mean_by_method(table, PRODUCT_COLUMNS[3:])


def _product_statistics(fine_k: FloatArray, lst_k: FloatArray, mtf: float) -> dict[str, float]:
    return {
        "mean_k": float(np.nanmean(fine_k)),
        "std_k": float(np.nanstd(fine_k)),
        "min_k": float(np.nanmin(fine_k)),
        "max_k": float(np.nanmax(fine_k)),
        "mean_abs_step_k": float(np.nanmean(np.abs(np.diff(fine_k, axis=1)))),
        "consistency_k": consistency_k(fine_k, lst_k, mtf),
    }


def show_products(settings: Sharpening) -> Image:
    """The chosen scene: the 1 km LST with every product."""
    pair = align(shown_pair(settings))
    return figures.show(figures.products(pair.lst, products_of(pair, settings)[0]), settings.directory, "products")


def show_added_texture(settings: Sharpening) -> Image | None:
    """The chosen scene: what each product adds to bicubic; nothing if bicubic is the only one."""
    pair = align(shown_pair(settings))
    made = products_of(pair, settings)[0] | {"bicubic": sharpen(pair, "bicubic")}
    return figures.show(figures.added_texture(made), settings.directory, "added_texture") if len(made) > 1 else None


# 05_fourier


def measure_spectra(settings: Fourier) -> pd.DataFrame:
    """Write ``spectra.csv``: attenuation of ASTER, NDVI and every product, for each scene."""
    parts = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        for name, image in compared_images(pair, settings):
            attenuation = attenuation_db(image)
            axis = frequencies_per_m(len(attenuation), pixel_m=pair.aster.pixel_width_m)
            part = pd.DataFrame({"frequency_per_m": axis, "attenuation_db": attenuation})
            parts.append(part.assign(scene=pair.id, method=name))
    spectra = pd.concat(parts, ignore_index=True)[["scene", "method", "frequency_per_m", "attenuation_db"]]
    evaluation.write_table(spectra, settings.directory / "spectra.csv", decimals=9)
    return spectra


def compared_images(pair: Pair, settings: Judging) -> Iterator[tuple[str, FloatArray]]:
    """ASTER, NDVI and each product over one rectangle of ASTER's grid."""
    placement = evaluation.place(pair)
    reference: Comparison | None = None
    for name, outcome in evaluation.compare_all(placement, settings.methods, settings.options):
        if isinstance(outcome, str):
            continue
        if reference is None:
            reference = outcome
            yield "aster", outcome.aster.values
            yield "ndvi", ndvi_on(placement.pair, outcome.aster).values
        yield name, outcome.product.values


def ndvi_on(pair: Pair, grid: Raster) -> Raster:
    """An aligned pair's NDVI on another grid."""
    return fine_grid(pair).warp_onto(grid)


def mean_spectra(settings: Fourier, spectra: pd.DataFrame) -> pd.DataFrame:
    """Write ``mean_spectra.csv``: mean and standard deviation over the scenes, on 100 common frequencies."""
    common = np.linspace(0.0, spectra.groupby(["scene", "method"])["frequency_per_m"].max().min(), 100)
    rows = []
    for name, group in spectra.groupby("method", sort=False):
        scenes = [np.interp(common, g["frequency_per_m"], g["attenuation_db"]) for _, g in group.groupby("scene", sort=False)]
        part = {"frequency_per_m": common, "attenuation_db": np.mean(scenes, axis=0), "std_db": np.std(scenes, axis=0)}
        rows.append(pd.DataFrame(part).assign(method=name, scenes=len(scenes)))
    means = pd.concat(rows, ignore_index=True)
    evaluation.write_table(means, settings.directory / "mean_spectra.csv", decimals=9)
    return means


def attenuation_table(settings: Fourier, means: pd.DataFrame) -> pd.DataFrame:
    """Mean attenuation in dB at 0.25, 0.5, 1 and 2 cycles per km: ASTER, NDVI and each method; one that has none shows why."""
    wanted = np.array([0.25, 0.5, 1.0, 2.0])
    groups = {str(name): group for name, group in means.groupby("method", sort=False)}
    rows = {}
    for name in ["aster", "ndvi", *settings.methods]:
        if name in groups:
            curve = groups[name]
            values = np.interp(wanted / 1000.0, curve["frequency_per_m"], curve["attenuation_db"])
            rows[figures.label(name)] = [int(curve["scenes"].iloc[0]), *values]
        else:
            rows[figures.label(name)] = [_why_absent(settings, name), *[np.nan] * len(wanted)]
    columns = ["scenes", *(f"{frequency:g} per km" for frequency in wanted)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _why_absent(settings: Judging, name: str) -> str:
    needs_weights = name in PUBLISHED_CHECKPOINTS
    found = settings.options.weights is not None and weights_file(settings.options.weights, name)
    return WEIGHTS_MISSING if needs_weights and not found else "no scene could be compared"


def show_scene_spectra(settings: Fourier, spectra: pd.DataFrame) -> Image:
    """Figure 11, left: the chosen scene's spectra."""
    scene = shown_pair(settings).id
    figure = figures.spectra(spectra[spectra["scene"] == scene], f"Scene {scene}: the nearer to ASTER, the better")
    return figures.show(figure, settings.directory, "spectra_scene")


def show_mean_spectra(settings: Fourier, means: pd.DataFrame) -> Image:
    """Figure 11, right: mean ± standard deviation over the scenes."""
    title = f"Mean of {means['scenes'].max()} scenes; dotted: the 1 km grid's Nyquist frequency"
    return figures.show(figures.spectra(means, title), settings.directory, "spectra_mean")


# 06_aster_evaluation


def evaluate_pairs(settings: AsterEvaluation) -> pd.DataFrame:
    """Write ``metrics.csv`` (one row for each scene and method) and ``summary.csv`` (their distribution)."""
    rows: list[dict[str, object]] = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        rows += evaluation.evaluate_pair(pair, settings.methods, settings.options)
    table = write_csv(settings, "metrics.csv", evaluation.Evaluation(rows).table())
    write_csv(settings, "summary.csv", evaluation.summarise(table))
    return table


def against_aster(settings: AsterEvaluation) -> pd.DataFrame:
    """Write ``modis.csv``: how far the 1 km LST itself lies from ASTER degraded to 1 km, for each scene."""
    rows = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        placement = evaluation.place(pair)
        seen = placement.pair.aster.with_values(np.where(placement.aster_valid, pair.aster.values, np.nan))
        coarse_k = degrade(seen.warp_onto(fine_grid(placement.pair)).values)
        lst_k = placement.pair.lst.values
        valid = np.isfinite(coarse_k) & np.isfinite(lst_k)
        differences = [bias(lst_k[valid], coarse_k[valid]), rmse(lst_k[valid], coarse_k[valid])] if valid.any() else [np.nan] * 2
        rows.append([pair.id, *differences, int(valid.sum())])
    columns = ["scene", "coarse_bias_k", "coarse_rmse_k", "coarse_pixels"]
    return write_csv(settings, "modis.csv", pd.DataFrame(rows, columns=columns))


def count_inversions(settings: AsterEvaluation) -> pd.DataFrame:
    """Write ``inversion.csv``: where ASTER's detail rises with NDVI's and the product's falls.

    Returns
    -------
    DataFrame
        Per method: scenes (or why there is none), cells, rising, inverted and the inverted share of the rising ones.
    """
    rows = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        images = dict(compared_images(pair, settings))
        for name in settings.methods:
            if name in images and images[name].shape == images["aster"].shape:
                counts = inversion(images[name], images["aster"], images["ndvi"])
                rows.append([pair.id, name, counts.cells, counts.rising, counts.inverted])
    counted = ["tiles", "tiles_rising", "tiles_inverted"]
    table = write_csv(settings, "inversion.csv", pd.DataFrame(rows, columns=["scene", "method", *counted]))
    totals = table.groupby("method", sort=False)[counted].sum()
    shares = totals.assign(inverted_share=totals["tiles_inverted"] / totals["tiles_rising"].clip(lower=1))
    absent = [name for name in settings.methods if name not in shares.index]
    shares.insert(0, "scenes", table.groupby("method", sort=False).size().astype(object))
    for name in absent:
        shares.loc[name, "scenes"] = _why_absent(settings, name)
    return shares.rename(index=figures.label).rename_axis(None)


def mean_metrics(table: pd.DataFrame) -> pd.DataFrame:
    """The main metrics per method, means over the scenes; a method that was not judged shows why."""
    return evaluation.mean_by_method(table, MAIN_METRICS)


def shown_comparisons(settings: AsterEvaluation) -> dict[str, Comparison]:
    """Every product of the chosen scene that can be compared with ASTER.

    Raises
    ------
    InputError
        If there is none.
    """
    pair = shown_pair(settings)
    outcomes = dict(evaluation.compare_all(evaluation.place(pair), settings.methods, settings.options))
    comparisons = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Comparison)}
    if not comparisons:
        reasons = "; ".join(f"{name}: {outcome}" for name, outcome in outcomes.items())
        raise InputError(f"pair {pair.id} has no product to show ({reasons}); choose another 'scene'.")
    return comparisons


def show_maps(settings: AsterEvaluation) -> Image:
    """Figure 8: ASTER and every product of the chosen scene."""
    return figures.show(figures.maps(shown_comparisons(settings)), settings.directory, "maps")


def show_distributions(settings: AsterEvaluation) -> Image:
    """Figure 9: distributions of T and T − G T in the chosen scene."""
    return figures.show(figures.distributions(shown_comparisons(settings)), settings.directory, "distributions")


def show_densities(settings: AsterEvaluation) -> Image:
    """Figure 10: each product of the chosen scene against ASTER."""
    return figures.show(figures.densities(shown_comparisons(settings)), settings.directory, "densities")


def show_against_bias(settings: AsterEvaluation, table: pd.DataFrame, modis: pd.DataFrame) -> Image:
    """Figure 12: metrics against MODIS–ASTER bias and RMSE at 1 km."""
    return figures.show(figures.against_bias(table, modis), settings.directory, "against_bias")
