"""What the notebooks call: one function a cell, which reads the run's files, writes results and gives back what to show."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio.warp
import shapely
from IPython.display import HTML, Image

from lstsr_core import archive, evaluation, figures, findings, quicklook
from lstsr_core.contrast import inversion
from lstsr_core.degradation import block_mean, degrade
from lstsr_core.errors import InputError
from lstsr_core.fourier import PUBLISHED_PIXEL_M, attenuation_db, frequencies_per_m
from lstsr_core.granule_name import GranuleName
from lstsr_core.kriging import coarse_residual_k
from lstsr_core.metrics import bias, consistency_k, rmse
from lstsr_core.networks import PUBLISHED_CHECKPOINTS, SharpeningUNet, read_statistics, save_model, weights_file
from lstsr_core.pair_statistics import pair_statistics
from lstsr_core.pairs import PUBLISHED_PAIRS, Pair, align, fine_grid, fine_offset, pair_ids, read_pair
from lstsr_core.parameters import (
    AsterEvaluation,
    Download,
    Findings,
    Fourier,
    Map,
    NotebookParameters,
    Patches,
    Sharpening,
    Training,
)
from lstsr_core.patches import LST_PRODUCT, NDVI_PRODUCT, granule_patches, pair_patches, read_patches, read_table, write_patches
from lstsr_core.perceptual import load_lpips
from lstsr_core.placement import ASTER_VALID_K, PROTOCOLS, Comparison, Georeferenced, Placement
from lstsr_core.prediction import predict_granule, read_area
from lstsr_core.progress import bar
from lstsr_core.project import TRAINING_CURVES, resolve, sha256
from lstsr_core.provenance import git_revision
from lstsr_core.raster import FloatArray, Raster, written_atomically
from lstsr_core.sharpeners import METHODS, WEIGHTS_MISSING, sharpen
from lstsr_core.simulator import TILE, simulate
from lstsr_core.training import TrainedModel, loss_of_upsampled, train
from lstsr_core.training_data import of_patch_set
from lstsr_core.training_settings import TrainingSettings
from lstsr_core.variogram import fit_variograms

MAIN_METRICS = [
    "rmse_k", "bias_k", "rmse_unbiased_k", "correlation", "psnr_db", "ssim", "consistency_k", "frr", "fro", "attenuation_rmse_db",
]  # fmt: skip

PRODUCT_COLUMNS = [
    "scene",
    "method",
    "protocol",
    "status",
    "mean_k",
    "std_k",
    "min_k",
    "max_k",
    "mean_abs_step_k",
    "consistency_k",
]

Showing = Sharpening | Fourier | AsterEvaluation
Judging = Showing | Findings


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


def shown_pair(settings: Showing) -> Pair:
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
    return table[~table.index.isin(trained)].map(
        lambda value: f"{round(value, 4) + 0.0:.4f}" if isinstance(value, float) else value
    )


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


MODEL = "sif-cnn-sr1"


def _loop(settings: Training) -> TrainingSettings:
    values = settings.model_dump(exclude={"run_directory", "train"})
    return TrainingSettings.check({"model": MODEL, "split": "random", **values}, settings.notebook)


def train_model(settings: Training) -> TrainedModel | None:
    """Train SIF-CNN-SR1 on the run's patches and write its weights; nothing with ``train: false``."""
    if not settings.train:
        return None
    directory = settings.run / Patches.notebook
    table = read_table(directory)
    patches = of_patch_set(read_patches(table, directory))
    training, validation = (np.flatnonzero(table["split"] == split) for split in ("train", "validation"))
    trained = train(patches, training, validation, _loop(settings))
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
        patches = of_patch_set(read_patches(whole, directory))
        upsampled = loss_of_upsampled(patches, np.arange(len(patches)), statistics, _loop(settings))
        terms = {"total": upsampled.total, "reconstruction": upsampled.reconstruction, "texture": upsampled.texture}
        rows |= {f"{name} loss of bicubic": f"{loss.item():.6f}" for name, loss in terms.items()}
    return pd.DataFrame({"value": rows})


# 04_sharpening


def shown_placement(settings: Showing) -> Placement:
    """The chosen scene under the first protocol, which figures show."""
    return PROTOCOLS[settings.protocols[0]](shown_pair(settings))


def shown_products(settings: Showing) -> tuple[Pair, dict[str, Raster]]:
    """The chosen scene as methods take it, and each method's product before any warp."""
    placement = shown_placement(settings)
    made, _ = evaluation.sharpen_all(placement.pair, settings.methods, placement.options(settings.options))
    return placement.pair, made


def sharpen_pairs(settings: Sharpening) -> pd.DataFrame:
    """Write ``products.csv``: each product's statistics and its consistency with the 1 km LST it was made from.

    Returns
    -------
    DataFrame
        Per protocol and method, means over the scenes.
    """
    rows = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        for protocol in settings.protocols:
            placement = PROTOCOLS[protocol](pair)
            made, reasons = evaluation.sharpen_all(placement.pair, settings.methods, placement.options(settings.options))
            for name in settings.methods:
                row: dict[str, object] = {
                    "scene": pair.id,
                    "method": name,
                    "protocol": protocol,
                    "status": reasons.get(name, "ok"),
                }
                if name in made:
                    row |= _product_statistics(made[name].values, placement.pair.lst.values, settings.mtf)
                rows.append(row)
    table = write_csv(settings, "products.csv", pd.DataFrame(rows, columns=PRODUCT_COLUMNS))
    return evaluation.mean_by_method(table, PRODUCT_COLUMNS[4:])


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
    pair, made = shown_products(settings)
    return figures.show(figures.products(pair.lst, made), settings.directory, "products")


def show_added_texture(settings: Sharpening) -> Image | None:
    """The chosen scene: what each product adds to bicubic; nothing if bicubic is the only one."""
    pair, made = shown_products(settings)
    made |= {"bicubic": sharpen(pair, "bicubic")}
    return figures.show(figures.added_texture(made), settings.directory, "added_texture") if len(made) > 1 else None


def show_variograms(settings: Sharpening) -> Image:
    """The chosen scene: the semivariograms that ATPRK and AATPRK fit to their residuals."""
    placement = shown_placement(settings)
    lst_k, ndvi, published = placement.pair.lst.values, placement.pair.ndvi.values, placement.published
    residuals = {name: coarse_residual_k(lst_k, ndvi, name == "aatprk", published) for name in ("atprk", "aatprk")}
    fitted = {name: fit_variograms(residual_k, published) for name, residual_k in residuals.items()}
    return figures.show(figures.variograms(fitted), settings.directory, "variograms")


# 05_fourier


def measure_spectra(settings: Fourier) -> pd.DataFrame:
    """Write ``spectra.csv``: attenuation of ASTER, NDVI and every product, for each scene and protocol."""
    parts = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        for protocol in settings.protocols:
            placement = PROTOCOLS[protocol](pair)
            published = placement.published
            for name, image in compared_images(placement, settings):
                attenuation = attenuation_db(image.values, published)
                axis = frequencies_per_m(len(attenuation), published, PUBLISHED_PIXEL_M if published else image.pixel_width_m)
                part = pd.DataFrame({"frequency_per_m": axis, "attenuation_db": attenuation})
                parts.append(part.assign(scene=pair.id, method=name, protocol=protocol))
    columns = ["scene", "method", "protocol", "frequency_per_m", "attenuation_db"]
    spectra = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    if spectra.empty:
        raise InputError(f"{settings.notebook}: none of the chosen pairs can be compared with ASTER; choose other 'pairs'.")
    evaluation.write_table(spectra, settings.directory / "spectra.csv", decimals=9)
    return spectra


def compared_images(placement: Placement, settings: Judging) -> Iterator[tuple[str, Raster]]:
    """ASTER, NDVI and each product over the rectangle that the first of them is compared in."""
    first = True
    for name, outcome in evaluation.compare_all(placement, settings.methods, settings.options).items():
        if isinstance(outcome, str):
            continue
        if first:
            yield "aster", outcome.aster
            yield "ndvi", outcome.ndvi
        first = False
        yield name, outcome.product


def mean_spectra(settings: Fourier, spectra: pd.DataFrame) -> pd.DataFrame:
    """Write ``mean_spectra.csv``: mean and standard deviation over the scenes of each protocol, on 100 common frequencies."""
    rows = []
    for protocol, chosen in spectra.groupby("protocol", sort=False):
        ends = chosen.groupby(["scene", "method"])["frequency_per_m"].agg(["min", "max"])
        common = np.linspace(ends["min"].max(), ends["max"].min(), 100)
        for name, group in chosen.groupby("method", sort=False):
            scenes = [np.interp(common, g["frequency_per_m"], g["attenuation_db"]) for _, g in group.groupby("scene", sort=False)]
            part = {"frequency_per_m": common, "attenuation_db": np.mean(scenes, axis=0), "std_db": np.std(scenes, axis=0)}
            rows.append(pd.DataFrame(part).assign(method=name, protocol=protocol, scenes=len(scenes)))
    means = pd.concat(rows, ignore_index=True)
    evaluation.write_table(means, settings.directory / "mean_spectra.csv", decimals=9)
    return means


def attenuation_table(settings: Fourier, means: pd.DataFrame) -> pd.DataFrame:
    """Mean attenuation in dB at 0.25, 0.5, 1 and 2 cycles per km: ASTER, NDVI and each method; one that has none shows why."""
    wanted = np.array([0.25, 0.5, 1.0, 2.0])
    labels, rows = [], []
    for protocol in settings.protocols:
        groups = {str(name): group for name, group in means[means["protocol"] == protocol].groupby("method", sort=False)}
        for name in ["aster", "ndvi", *settings.methods]:
            labels.append(figures.label(name))
            if name in groups:
                curve = groups[name]
                values = np.interp(wanted / 1000.0, curve["frequency_per_m"], curve["attenuation_db"])
                rows.append([protocol, int(curve["scenes"].iloc[0]), *values])
            else:
                rows.append([protocol, _why_absent(settings, name), *[np.nan] * len(wanted)])
    columns = ["protocol", "scenes", *(f"{frequency:g} per km" for frequency in wanted)]
    return pd.DataFrame(rows, index=labels, columns=columns)


def _why_absent(settings: Judging, name: str) -> str:
    needs_weights = name in PUBLISHED_CHECKPOINTS
    found = settings.options.weights is not None and weights_file(settings.options.weights, name)
    return WEIGHTS_MISSING if needs_weights and not found else "no scene could be compared"


def show_scene_spectra(settings: Fourier, spectra: pd.DataFrame) -> Image:
    """Figure 11, left: the chosen scene's spectra."""
    scene = shown_pair(settings).id
    chosen = spectra[(spectra["scene"] == scene) & (spectra["protocol"] == settings.protocols[0])]
    figure = figures.spectra(chosen, f"Scene {scene}: the nearer to ASTER, the better")
    return figures.show(figure, settings.directory, "spectra_scene")


def show_mean_spectra(settings: Fourier, means: pd.DataFrame) -> Image:
    """Figure 11, right: mean ± standard deviation over the scenes."""
    chosen = means[means["protocol"] == settings.protocols[0]]
    title = f"Mean of {chosen['scenes'].max()} scenes; dotted: the 1 km grid's Nyquist frequency"
    return figures.show(figures.spectra(chosen, title), settings.directory, "spectra_mean")


def draw_each_scene(settings: Fourier, spectra: pd.DataFrame) -> pd.DataFrame:
    """Write a plot of every pair's spectra into ``scenes/``.

    Returns
    -------
    DataFrame
        How many plots there are for each protocol.
    """
    written = []
    for (protocol, scene), group in bar(list(spectra.groupby(["protocol", "scene"], sort=False)), "Plots", "pair"):
        figure = figures.spectra(group, f"Scene {scene}, {protocol}")
        figures.show(figure, settings.directory / "scenes", f"spectra_{scene}_{protocol}")
        written.append(protocol)
    return pd.Series(written, name="plots").value_counts(sort=False).rename_axis("protocol").reset_index(name="plots")


# 06_aster_evaluation


def evaluate_pairs(settings: AsterEvaluation) -> pd.DataFrame:
    """Write ``metrics.csv`` (one row for each scene, protocol and method), ``summary.csv`` and ``differences.csv``."""
    lpips = load_lpips(resolve(settings.lpips_directory) if settings.lpips_directory else None)
    rows: list[dict[str, object]] = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        rows += evaluation.evaluate_pair(pair, settings.methods, settings.protocols, settings.options, lpips)
    table = write_csv(settings, "metrics.csv", evaluation.Evaluation(rows).table())
    write_csv(settings, "summary.csv", evaluation.summarise(table))
    write_csv(settings, "differences.csv", evaluation.paired_differences(table))
    return table


def lpips_availability(settings: AsterEvaluation) -> HTML:
    """Whether LPIPS can be computed, or what is missing and how to get it."""
    lpips = load_lpips(resolve(settings.lpips_directory) if settings.lpips_directory else None)
    told = lpips.reason.replace(str(Path.home()), "~") or "LPIPS: weights found."
    return HTML(f"<p>{html.escape(told)}</p>")  # type: ignore[no-untyped-call]


def quantiles(settings: AsterEvaluation, metrics: Sequence[str] = MAIN_METRICS) -> pd.DataFrame:
    """Mean, standard deviation, 10 %, Q1, median, Q3 and 90 % of chosen metrics under the first protocol."""
    summary = pd.read_csv(settings.directory / "summary.csv")
    chosen = summary[(summary["protocol"] == settings.protocols[0]) & summary["metric"].isin(metrics) & (summary["scenes"] > 0)]
    chosen = chosen.assign(method=[figures.label(name) for name in chosen["method"]]).drop(columns="protocol")
    order = [(metric, label) for metric in metrics for label in chosen["method"].unique()]
    return chosen.set_index(["metric", "method"]).reindex(order).dropna(how="all")


def show_differences(settings: AsterEvaluation) -> Image | None:
    """Paired differences between methods, those that chance may have made hatched; nothing if fewer than two can be compared."""
    table = pd.read_csv(settings.directory / "differences.csv")
    table = table[table["protocol"] == settings.protocols[0]]
    if table.empty:
        return None
    return figures.show(figures.differences(table), settings.directory, "differences")


def against_aster(settings: AsterEvaluation) -> pd.DataFrame:
    """Write ``modis.csv``: how far the 1 km LST itself lies from ASTER degraded to 1 km, for each scene."""
    rows = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        placement = Georeferenced(pair)
        seen = pair.aster.with_values(np.where(placement.aster_valid, pair.aster.values, np.nan))
        coarse_k = degrade(seen.warp_onto(fine_grid(placement.pair)).values)
        lst_k = placement.pair.lst.values
        valid = np.isfinite(coarse_k) & np.isfinite(lst_k)
        differences = [bias(lst_k[valid], coarse_k[valid]), rmse(lst_k[valid], coarse_k[valid])] if valid.any() else [np.nan] * 2
        rows.append([pair.id, *differences, int(valid.sum())])
    columns = ["scene", "coarse_bias_k", "coarse_rmse_k", "coarse_pixels"]
    return write_csv(settings, "modis.csv", pd.DataFrame(rows, columns=columns))


def count_inversions(settings: AsterEvaluation) -> pd.DataFrame:
    """Write ``inversion.csv``: where ASTER's detail rises with NDVI's and the product's falls, products placed by georeference.

    Returns
    -------
    DataFrame
        Per method: scenes (or why there is none), cells, rising, inverted and the inverted share of the rising ones.
    """
    rows = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        images = dict(compared_images(Georeferenced(pair), settings))
        for name in settings.methods:
            if name in images and images[name].values.shape == images["aster"].values.shape:
                counts = inversion(images[name].values, images["aster"].values, images["ndvi"].values)
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
    placement = shown_placement(settings)
    outcomes = evaluation.compare_all(placement, settings.methods, settings.options)
    comparisons = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Comparison)}
    if not comparisons:
        reasons = "; ".join(f"{name}: {outcome}" for name, outcome in outcomes.items())
        raise InputError(f"pair {placement.pair.id} has no product to show ({reasons}); choose another 'scene'.")
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
    chosen = table[table["protocol"] == settings.protocols[0]]
    return figures.show(figures.against_bias(chosen, modis), settings.directory, "against_bias")


# 07_findings


def place_both_ways(settings: Findings) -> pd.DataFrame:
    """Write ``misregistration.csv``: each scene and method with the pair as the database has it, and aligned."""
    rows: list[dict[str, object]] = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        rows += findings.place_both_ways(pair, settings.methods, settings.options)
    columns = ["scene", "method", "placement", "rows_down", "columns_right", "r_squared", "slope_k_per_ndvi", "status"]
    columns += findings.COMPARED
    return write_csv(settings, "misregistration.csv", pd.DataFrame(rows, columns=columns))


def gains(settings: Findings, placed: pd.DataFrame) -> pd.DataFrame:
    """Write ``misregistration_gains.csv``: what each method gains when placed rightly, with intervals over scenes."""
    table = findings.differences(placed, "placement", "as paired", "aligned", findings.COMPARED)
    return by_label(write_csv(settings, "misregistration_gains.csv", table))


def vary(settings: Findings) -> pd.DataFrame:
    """Write ``variants.csv`` and ``variant_differences.csv``: default and published variants of methods."""
    rows: list[dict[str, object]] = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        rows += findings.vary(pair, settings.methods, settings.protocols, settings.options)
    columns = ["scene", "protocol", "method", "variant", "status", *findings.COMPARED, *findings.AS_PUBLISHED]
    table = write_csv(settings, "variants.csv", pd.DataFrame(rows, columns=columns))
    changed = findings.differences(table, "variant", "default", "published", findings.COMPARED, ["protocol", "method"])
    return by_label(write_csv(settings, "variant_differences.csv", changed))


def back_project(settings: Findings) -> pd.DataFrame:
    """Write ``back_projection.csv``: consistency, RMSE and FRR of each product after every step."""
    rows: list[dict[str, object]] = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        rows += findings.back_project(pair, settings.methods, settings.options, settings.steps)
    columns = ["scene", "method", "step", "status", "consistency_k", *findings.COMPARED]
    return write_csv(settings, "back_projection.csv", pd.DataFrame(rows, columns=columns))


def costs(settings: Findings, projected: pd.DataFrame) -> pd.DataFrame:
    """Write ``back_projection_costs.csv``: the last step against none, with intervals over scenes."""
    metrics = ["consistency_k", *findings.COMPARED]
    table = findings.differences(projected, "step", 0, settings.steps, metrics)
    return by_label(write_csv(settings, "back_projection_costs.csv", table))


def by_label(table: pd.DataFrame) -> pd.DataFrame:
    """A table of differences to show, by the methods' labels."""
    return table.assign(method=[figures.label(name) for name in table["method"]]).set_index("method").rename_axis(None)


def show_offsets(settings: Findings, placed: pd.DataFrame) -> Image:
    """How far apart the patches' origins are, and what each scene gains from placing them rightly."""
    return figures.show(figures.offsets(placed), settings.directory, "offsets")


def show_distortion(settings: Findings, projected: pd.DataFrame) -> Image:
    """RMSE against FRR: each method, and the way that back-projection takes it."""
    return figures.show(figures.distortion(projected), settings.directory, "distortion")


# 07_map

NO_GRANULE = "no granule here: the published pairs are patches; set 01_download.source=sample, or map one with lstsr predict"


def chosen_granules(settings: Map) -> tuple[Path, Path] | None:
    """The LST granule and the reflectance granule of the day; None if 01_download brought no granule at all.

    Raises
    ------
    InputError
        If there are granules, but not both of this day.
    """
    directory = settings.run / Download.notebook / "granules"
    granules = {(name.product, name.date.isoformat()): path
                for path in sorted(directory.glob("*.hdf")) for name in [GranuleName.parse(path.name)]}  # fmt: skip
    if not granules:
        return None
    day = min(day for _, day in granules) if settings.day == "first" else settings.day
    if (LST_PRODUCT, day) not in granules or (NDVI_PRODUCT, day) not in granules:
        there = ", ".join(sorted({day for product, day in granules if product == LST_PRODUCT}))
        raise InputError(f"{settings.notebook}: parameter 'day' is '{settings.day}'; there are granules of {there}.")
    return granules[LST_PRODUCT, day], granules[NDVI_PRODUCT, day]


def describe_area(settings: Map) -> pd.DataFrame:
    """What the LST granule holds of the area: its size, its place and its temperatures at 1 km."""
    granules = chosen_granules(settings)
    if granules is None:
        return pd.DataFrame({"value": {"granules": NO_GRANULE}})
    lst, window = read_area(granules[0], settings.request)
    part = lst.crop(window.rows, window.columns)
    x, y = [part.left_m, part.right_m], [part.top_m, part.bottom_m]
    (west, east), (north, south) = rasterio.warp.transform(part.crs, "EPSG:4326", x, y)
    rows = {"LST granule": granules[0].name, "reflectance granule": granules[1].name,
            "pixels of 1 km (rows × columns)": f"{part.rows} × {part.columns}"}  # fmt: skip
    numbers = {
        "upper left longitude (degrees)": west, "upper left latitude (degrees)": north,
        "lower right longitude (degrees)": east, "lower right latitude (degrees)": south,
        "share of LST pixels without cloud or fill": float(np.isfinite(part.values).mean()),
        "lowest LST at 1 km (K)": float(np.nanmin(part.values)), "highest LST at 1 km (K)": float(np.nanmax(part.values)),
    }  # fmt: skip
    return pd.DataFrame({"value": rows | {name: f"{value:.4f}" for name, value in numbers.items()}})


def make_map(settings: Map) -> pd.DataFrame:
    """Write ``map.tif`` and ``map.json``: the map, and how much of it is valid, how warm, how consistent."""
    granules = chosen_granules(settings)
    if granules is None:
        write_json(settings, "map.json", {"made": False, "reason": NO_GRANULE})
        return pd.DataFrame({"value": {"map": NO_GRANULE}})
    summary = predict_granule(*granules, settings.directory / "map.tif", settings.request)
    content = {name: value for name, value in asdict(summary).items() if name not in ("out", "made")}
    write_json(settings, "map.json", {"made": True, "method": settings.method, **content})
    rows = {"method": figures.label(settings.method), "pixels of 250 m (rows × columns)": f"{summary.rows} × {summary.columns}"}
    rows |= {f"share: {meaning}": f"{share:.4f}" for meaning, share in summary.shares.items() if share}
    temperatures = {"mean": summary.lst_mean_k, "lowest": summary.lst_min_k, "highest": summary.lst_max_k}
    rows |= {f"{name} LST (K)": f"{value:.2f}" for name, value in temperatures.items()}
    rows["consistency with the 1 km LST (K)"] = f"{summary.consistency_k:.3f}"
    rows |= {f"warning {number}": warning for number, warning in enumerate(summary.warnings, start=1)}
    return pd.DataFrame({"value": rows})


def show_map(settings: Map) -> Image | None:
    """The map's LST with shorelines; nothing if there is no map."""
    path = settings.directory / "map.tif"
    return figures.show(quicklook.lst_map(path), settings.directory, "map") if path.is_file() else None


def show_map_quality(settings: Map) -> Image | None:
    """The map's consistency residual and its validity flag; nothing if there is no map."""
    path = settings.directory / "map.tif"
    return figures.show(quicklook.quality_map(path), settings.directory, "quality") if path.is_file() else None
