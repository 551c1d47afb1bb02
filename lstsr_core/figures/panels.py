"""Every figure of the companion, in one style: units on each axis and bar, one scale across compared maps."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch as LegendPatch
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from lstsr_core.evaluation.protocols import Comparison
from lstsr_core.figures.files import show as show
from lstsr_core.figures.files import styled
from lstsr_core.figures.tile_map import project, tile_map
from lstsr_core.geo.grid import Tile
from lstsr_core.geo.operators import low_pass
from lstsr_core.geo.raster import FloatArray, Raster
from lstsr_core.geo.registration import Shift
from lstsr_core.metrics.line import fit_line
from lstsr_core.metrics.names import BY_COLUMN, COARSE_METRICS, metrics_of
from lstsr_core.pairs.pair import Pair
from lstsr_core.pairs.swath import ASTER_VALID_K
from lstsr_core.sharpening.methods import METHODS
from lstsr_core.sharpening.variogram import FittedVariograms

LST_COLOURS, NDVI_COLOURS, DIFFERENCE_COLOURS = "inferno", "viridis", "cividis"
NO_VALUE_COLOUR = "#C4C4C4"
"""Of the pixels of a map that have no value."""
ASTER_LABEL, NDVI_LABEL = "ASTER", "NDVI"
MARKERS = "o^sDvPX*hpd<>8"
# Okabe and Ito's colours and eight of Tol's; with them a dash pattern each, so that lines are told apart
# without colour.
_COLOURS = [
    "#000000", "#E69F00", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#999933", "#882255",
    "#332288", "#AA4499", "#117733", "#661100", "#6699CC", "#AA7744",
]  # fmt: skip
_DASHES: list[tuple[int, tuple[float, ...]]] = [
    (0, ()), (0, (6, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1)), (0, (8, 2, 1, 2, 1, 2)),
    (0, (2, 3)), (0, (10, 3)), (0, (4, 1, 1, 1)), (0, (12, 2, 1, 2)),
    (0, (6, 1, 3, 1)), (0, (1, 3)), (0, (14, 4)), (0, (3, 1, 1, 1, 1, 1)),
    (0, (9, 1, 1, 1)),
]  # fmt: skip


def label(name: str) -> str:
    """The name of a method, of ASTER or of NDVI as figures show it."""
    return (
        METHODS[name].label if name in METHODS else {"aster": ASTER_LABEL, "ndvi": NDVI_LABEL}.get(name, name)
    )


def _line(name: str) -> dict[str, object]:
    if name == "aster":
        return {"color": "#000000", "linewidth": 2.2, "label": ASTER_LABEL}
    if name == "ndvi":
        return {"color": "#777777", "linestyle": "--", "linewidth": 1.2, "label": NDVI_LABEL}
    index = 1 + list(METHODS).index(name) % (len(_COLOURS) - 1)  # the first is ASTER's
    return {
        "color": _COLOURS[index],
        "linestyle": _DASHES[index],
        "linewidth": 1.6,
        "label": label(name),
    }


def _panels(
    count: int, columns: int = 3, width_in: float = 2.4, height_in: float = 2.3
) -> tuple[Figure, list[Axes]]:
    rows = -(-count // columns)
    figure = Figure(figsize=(width_in * min(count, columns), height_in * rows), layout="constrained")
    axes = [figure.add_subplot(rows, min(count, columns), index + 1) for index in range(count)]
    return figure, axes


def _map(axes: Axes, raster: Raster, colours: str, norm: Normalize, title: str) -> AxesImage:
    width_km, height_km = (
        abs(size) / 1000.0 for size in (raster.right_m - raster.left_m, raster.top_m - raster.bottom_m)
    )
    image = axes.imshow(
        raster.values,
        cmap=colours,
        norm=norm,
        extent=(0.0, width_km, 0.0, height_km),
        interpolation="nearest",
    )
    axes.set(title=title, xlabel="km east", ylabel="km north", facecolor=NO_VALUE_COLOUR)
    axes.grid(visible=False)
    return image


def _label_outer(axes: Sequence[Axes], columns: int = 3) -> None:
    """Leave the labels of panels that share their axes to the first column and the last row."""
    for index, panel in enumerate(axes):
        if index % columns:
            panel.set_ylabel("")
        if index + columns < len(axes):
            panel.set_xlabel("")


def _legend_below(figure: Figure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)


def _limits(*images: FloatArray) -> Normalize:
    values = np.concatenate([image[np.isfinite(image)] for image in images])
    low, high = np.percentile(values, [1.0, 99.0])
    return Normalize(float(low), float(high))


@styled
def study_area(footprints: Mapping[str, FloatArray], tile: Tile, swaths: str = "ASTER swaths") -> Figure:
    """The tile, those around it and the ASTER swaths on a map, and where on Earth that is.

    Parameters
    ----------
    footprints : mapping of str to array of shape (points, 2)
        Each pair's outline, longitude and latitude in degrees.
    tile : Tile
    swaths : str
        What the outlines are.
    """
    base_map = tile_map([tile])
    outlines = LineCollection(
        [project(outline) for outline in footprints.values()], colors="#D55E00", linewidths=1.0, zorder=3.5
    )
    outlines.set_label(f"{swaths} ({len(footprints)})")
    base_map.axes.add_collection(outlines, autolim=False)
    base_map.explain()
    return base_map.figure


@styled
def patch_places(places: pd.DataFrame) -> Figure:
    """Where patches lie on a map, coloured by how many there are on each place, and where on Earth that is.

    Parameters
    ----------
    places : DataFrame
        With columns left_m, top_m, right_m, bottom_m (sinusoidal) and patches.
    """
    middles = zip(
        (places["left_m"] + places["right_m"]) / 2, (places["top_m"] + places["bottom_m"]) / 2, strict=True
    )
    base_map = tile_map(sorted({Tile.at(x_m, y_m) for x_m, y_m in middles}, key=str))
    squares = [
        Rectangle((left_m, bottom_m), right_m - left_m, top_m - bottom_m)
        for left_m, top_m, right_m, bottom_m in places[["left_m", "top_m", "right_m", "bottom_m"]].to_numpy()
    ]
    norm = Normalize(0.0, float(places["patches"].max()))
    collection = PatchCollection(
        squares, cmap="viridis", norm=norm, edgecolor="white", linewidth=0.4, alpha=0.85
    )
    collection.set_array(places["patches"].to_numpy(dtype=float))
    base_map.axes.add_collection(collection, autolim=False)
    base_map.figure.colorbar(
        collection, ax=base_map.axes, label="patches", shrink=0.8, ticks=MaxNLocator(integer=True)
    )
    base_map.explain()
    return base_map.figure


@styled
def example_pair(pair: Pair) -> Figure:
    """The three rasters of a pair, each on its own grid; both temperatures on one scale."""
    figure, axes = _panels(3, height_in=3.2)
    aster = pair.aster.with_values(np.where(pair.aster.values >= ASTER_VALID_K, pair.aster.values, np.nan))
    norm = _limits(pair.lst.values)
    images = [
        _map(axes[0], pair.lst, LST_COLOURS, norm, "MODIS LST, 1 km"),
        _map(axes[1], pair.ndvi, NDVI_COLOURS, Normalize(-0.2, 1.0), "MODIS NDVI, 250 m"),
        _map(axes[2], aster, LST_COLOURS, norm, "ASTER LST, 250 m"),
    ]
    for panel, image, quantity in zip(axes, images, ("LST (K)", "NDVI", "LST (K)"), strict=True):
        figure.colorbar(image, ax=panel, label=quantity, location="bottom")
    return figure


@styled
def seasons(dates: Sequence[str], mean_lst_k: Sequence[float], trains: Sequence[bool]) -> Figure:
    """How many patches train and validate in each month; without dates, how
    their mean LST is distributed, for want of better.

    Parameters
    ----------
    dates : sequence of str
        YYYY-MM-DD of each patch; anything else is no date.
    mean_lst_k : sequence of float
    trains : sequence of bool
        Whether a patch is of the training split; the rest validates.
    """
    figure, (axes,) = _panels(1, width_in=6.2, height_in=3.4)
    months = np.array([int(date[5:7]) if isinstance(date, str) and date else 0 for date in dates])
    training = np.asarray(trains, dtype=bool)
    if months.any():
        train, validate = (np.bincount(months[part], minlength=13)[1:] for part in (training, ~training))
        colours = [_season_colour(month) for month in range(1, 13)]
        axes.bar(range(1, 13), train, color=colours)
        axes.bar(
            range(1, 13), validate, bottom=train, color="none", edgecolor=colours, hatch="///", linewidth=0.8
        )
        axes.set(xlabel="month", ylabel="patches", title="Patches by month and season", xticks=range(1, 13))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        totals = [
            f"{name} ({sum((train + validate)[month - 1] for month in of_season)})"
            for name, of_season, _ in _SEASONS
        ]
        handles = [
            LegendPatch(color=colour, label=total)
            for total, (_, _, colour) in zip(totals, _SEASONS, strict=True)
        ]
        handles += [
            LegendPatch(
                facecolor="none", edgecolor="#777777", hatch="///", label=f"validation ({validate.sum()})"
            )
        ]
        axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        values = np.asarray(mean_lst_k, dtype=np.float64)
        samples, labels = [values[training], values[~training]], ["training", "validation"]
        axes.hist(samples, bins=15, stacked=True, color=["#0072B2", "#E69F00"], label=labels)
        axes.set(
            xlabel="mean LST of the patch (K)",
            ylabel="patches",
            title="These patches carry no date: their mean LST instead",
        )
        axes.legend()
    return figure


_SEASONS = [
    ("Dec–Feb", (12, 1, 2), "#0072B2"), ("Mar–May", (3, 4, 5), "#009E73"), ("Jun–Aug", (6, 7, 8), "#E69F00"),
    ("Sep–Nov", (9, 10, 11), "#D55E00"),
]  # fmt: skip
"""The months of each season, and its colour: quarters of the year, which are other seasons in the south."""


def _season_colour(month: int) -> str:
    return next(colour for _, months, colour in _SEASONS if month in months)


@styled
def share_kept(shares: pd.DataFrame) -> Figure:
    """What became of the windows of each month: kept, or left out for their LST or their NDVI.

    Parameters
    ----------
    shares : DataFrame
        With columns layer, month (YYYY-MM), windows, lst_bad, ndvi_bad and kept.
    """
    layers = shares["layer"].unique()
    figure, panels = _panels(len(layers), columns=1, width_in=7.2, height_in=3.2)
    fates = [
        ("kept", "patches", "#009E73", None),
        ("ndvi_bad", "NDVI invalid", "#E69F00", "//"),
        ("lst_bad", "LST bad", "#BBBBBB", None),
    ]
    for axes, layer in zip(panels, layers, strict=True):
        months = shares[shares["layer"] == layer].set_index("month")
        bottom = np.zeros(len(months))
        for column, name, colour, hatch in fates:
            percent = (100.0 * months[column] / months["windows"]).to_numpy()
            axes.bar(np.arange(len(months)), percent, bottom=bottom, color=colour, hatch=hatch, label=name)
            bottom += percent
        every = max(1, len(months) // 12)
        axes.set_xticks(range(0, len(months), every), labels=months.index[::every], rotation=30, ha="right")
        share = months["kept"].sum() / months["windows"].sum()
        axes.set(
            ylabel="windows (%)",
            ylim=(0, 100),
            title=f"{layer.capitalize()}: {share:.1%} of the windows kept",
        )
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@styled
def regressions(ndvi: FloatArray, lst_k: FloatArray, fits: pd.DataFrame) -> Figure:
    """LST against NDVI over all coarse pixels of the patches, and each patch's own slope, intercept and R².

    Parameters
    ----------
    ndvi, lst_k : array of shape (pixels,)
    fits : DataFrame
        A row for each patch, with columns slope_k_per_ndvi, intercept_k and r_squared.
    """
    figure, axes = _panels(4, columns=2, width_in=3.6, height_in=2.7)
    density = axes[0].hexbin(ndvi, lst_k, gridsize=45, bins="log", mincnt=1, cmap="viridis", linewidths=0.1)
    line = fit_line(ndvi, lst_k)
    ends = np.array([ndvi.min(), ndvi.max()])
    axes[0].plot(ends, line(ends), color="#D55E00", linewidth=2)
    sign = "−" if line.slope < 0 else "+"
    title = f"LST = {line.intercept:.1f} K {sign} {abs(line.slope):.1f} K · NDVI, R² = {line.r_squared:.2f}"
    axes[0].set(xlabel="NDVI at 1 km", ylabel="LST (K)", title=f"All pixels\n{title}")
    figure.colorbar(density, ax=axes[0], label="pixels")
    rows: list[tuple[str, str, tuple[float, float] | None, str]]
    rows = [
        ("slope_k_per_ndvi", "slope (K per unit NDVI)", None, "+.1f"),
        ("intercept_k", "intercept (K)", None, ".1f"),
    ]
    rows += [("r_squared", "R²", (0.0, 1.0), ".2f")]
    for panel, (column, quantity, limits, digits) in zip(axes[1:], rows, strict=True):
        values = fits[column].to_numpy()
        panel.hist(values, bins=15, range=limits, color="#0072B2")
        panel.axvline(float(np.median(values)), color="#D55E00", linewidth=1.8)
        median = format(np.median(values), digits).replace("-", "−")
        panel.set(xlabel=quantity, ylabel="patches", title=f"Each patch\nmedian {median}")
    return figure


@styled
def training_curves(curves: pd.DataFrame) -> Figure:
    """Losses, PSNR and SSIM by epoch: a column for each model and source, training dashed, validation solid.

    Parameters
    ----------
    curves : DataFrame
        Columns model, source and those of `networks.training.CURVE_COLUMNS`.
    """
    rows = [("loss", "total loss"), ("dsloss", "reconstruction loss"), ("perceploss", "texture loss")]
    rows += [("psnr", BY_COLUMN["psnr_db"].axis), ("ssim", BY_COLUMN["ssim"].axis)]
    # A loss that a network does not have is 0 throughout.
    rows = [row for row in rows if any(_has_values(curves, f"{split}_{row[0]}") for split in _SPLITS)]
    groups = list(curves.groupby(["model", "source"], sort=False))
    figure, axes = _panels(
        len(rows) * len(groups), columns=len(groups), width_in=7.2 / max(2, len(groups)), height_in=1.7
    )
    for column, ((model, source), group) in enumerate(groups):
        best = group["epoch"].iloc[int(np.argmin(group["val_loss"]))]
        axes[column].set_title(f"{label(str(model))}, {source}\nbest epoch {best}")
        for row, (quantity, quantity_label) in enumerate(rows):
            panel = axes[row * len(groups) + column]
            panel.set_xlim(group["epoch"].min() - 1, group["epoch"].max() + 1)
            panel.set_ylabel(quantity_label if column == 0 else "")
            splits = [split for split in _SPLITS if _has_values(group, f"{split}_{quantity}")]
            for split in splits:
                name, dash, colour = _SPLITS[split]
                panel.plot(group["epoch"], group[f"{split}_{quantity}"], dash, color=colour, label=name)
            if splits:
                panel.axvline(best, color="#555555", linewidth=0.8, linestyle=":")
            else:
                panel.set_axis_off()
                panel.text(
                    0.5,
                    0.5,
                    f"{label(str(model))}:\nno {quantity_label}",
                    transform=panel.transAxes,
                    ha="center",
                    va="center",
                )
            if splits and quantity.endswith("loss"):
                panel.set_yscale("log")
                panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
                panel.yaxis.set_minor_formatter(NullFormatter())
        axes[(len(rows) - 1) * len(groups) + column].set_xlabel("epoch")
    _legend_below(figure, axes[0])
    return figure


_SPLITS = {"train": ("training", "--", "#E69F00"), "val": ("validation", "-", "#0072B2")}
"""Name, dash and colour of each split's curve."""


def _has_values(curves: pd.DataFrame, column: str) -> bool:
    return column in curves and bool((curves[column].fillna(0.0) != 0.0).any())


@styled
def ablation(summary: pd.DataFrame, bases: Mapping[str, Mapping[str, object]]) -> Figure:
    """Four metrics against each setting that was varied, with their 95 %
    intervals; the base is hollow, its interval a band.

    Parameters
    ----------
    summary : DataFrame
        As `evaluation.ablation.summarise` gives it.
    bases : mapping
        Model → the setting's name → the base's own value.
    """
    metrics = metrics_of(["rmse_k", "frr", "attenuation_rmse_db", "consistency_k"])
    pairs = summary.loc[summary["varied"] != "base", ["model", "varied"]].drop_duplicates()
    groups = list(zip(pairs["model"].astype(str), pairs["varied"].astype(str), strict=True))
    figure, axes = _panels(
        len(metrics) * len(groups), columns=len(groups), width_in=7.2 / max(2, len(groups)), height_in=1.7
    )
    for column, (model, varied) in enumerate(groups):
        of_model = summary[summary["model"] == model]
        base_value = str(bases[model][varied])
        for row, metric in enumerate(metrics):
            panel = axes[row * len(groups) + column]
            shown = of_model[of_model["metric"] == metric.column]
            group, base = shown[shown["varied"] == varied], shown[shown["varied"] == "base"]
            places = _places([*group["value"].astype(str), base_value])
            panel.axhspan(base["low"].iloc[0], base["high"].iloc[0], color="#555555", alpha=0.12, linewidth=0)
            for points, x, face in ((group, places[:-1], "#0072B2"), (base, places[-1:], "none")):
                errors = [points["mean"] - points["low"], points["high"] - points["mean"]]
                panel.errorbar(
                    x, points["mean"], yerr=errors, fmt="o", color="#0072B2", markerfacecolor=face, capsize=3
                )
            ticks = [textwrap.fill(value, 12) for value in [*group["value"].astype(str), base_value]]
            panel.set_xticks(places, ticks, fontsize=7, rotation=90 if len(ticks) > 3 else 0)
            panel.margins(x=0.2)
            panel.tick_params(labelbottom=metric == metrics[-1])
            panel.set_ylabel(textwrap.fill(metric.axis, 15) if column == 0 else "")
            if row == 0:
                panel.set_title(f"{label(str(model))},\n{base['epochs'].iloc[0]} epochs")
        axes[(len(metrics) - 1) * len(groups) + column].set_xlabel(
            {"alpha": "α", "gamma": "γ"}.get(varied, varied)
        )
    return figure


def _places(values: Sequence[str]) -> list[float]:
    """Where values stand on an axis: at themselves if all are numbers, otherwise side by side."""
    try:
        return [float(value) for value in values]
    except ValueError:
        return [float(index) for index in range(len(values))]


@styled
def products(lst: Raster, fine: Mapping[str, Raster]) -> Figure:
    """The 1 km LST and each method's 250 m product before any warp, on one scale."""
    figure, axes = _panels(1 + len(fine))
    norm = _limits(lst.values, *(raster.values for raster in fine.values()))
    image = _map(axes[0], lst, LST_COLOURS, norm, "MODIS LST, 1 km")
    for panel, (name, raster) in zip(axes[1:], fine.items(), strict=True):
        _map(panel, raster, LST_COLOURS, norm, label(name))
    _label_outer(axes)
    figure.colorbar(image, ax=axes, label="LST (K)", aspect=40)
    return figure


@styled
def added_texture(fine: Mapping[str, Raster]) -> Figure:
    """What each product adds to bicubic, on one symmetric scale."""
    added = {
        name: raster.with_values(raster.values - fine["bicubic"].values)
        for name, raster in fine.items()
        if name != "bicubic"
    }
    figure, axes = _panels(len(added))
    largest = max(float(np.nanpercentile(np.abs(raster.values), 99.0)) for raster in added.values())
    for panel, (name, raster) in zip(axes, added.items(), strict=True):
        image = _map(
            panel, raster, DIFFERENCE_COLOURS, Normalize(-largest, largest), f"{label(name)} − Bicubic"
        )
    _label_outer(axes)
    figure.colorbar(image, ax=axes, label="difference (K)", aspect=40)
    return figure


@styled
def variograms(fits: Mapping[str, FittedVariograms]) -> Figure:
    """The residual's semivariance at 1 km with its fit, the deconvolved
    curve of points, and what that gives back at 1 km."""
    figure, axes = _panels(len(fits), columns=2, width_in=3.6, height_in=3.2)
    for panel, (name, fit) in zip(axes, fits.items(), strict=True):
        distances_m = np.linspace(0.0, 1.1 * fit.distances_m.max(), 200)
        panel.plot(
            distances_m / 1000.0,
            fit.point(distances_m),
            "-",
            color="#D55E00",
            label="points, deconvolved",
        )
        panel.plot(distances_m / 1000.0, fit.coarse(distances_m), "--", color="#0072B2", label="1 km, fitted")
        panel.plot(
            fit.distances_m / 1000.0,
            fit.regularised_k2,
            "x",
            color="#D55E00",
            label="1 km, from the points",
        )
        panel.plot(
            fit.distances_m / 1000.0,
            fit.empirical_k2,
            "o",
            color="black",
            label="1 km, measured",
            markersize=4,
        )
        title = f"{label(name)}: sill {fit.point.sill:.1f} K²,\nrange {fit.point.range_m / 1000.0:.1f} km"
        panel.set(xlabel="distance (km)", ylabel="semivariance (K²)", title=title, ylim=(0.0, None))
    axes[0].legend()
    return figure


@styled
def maps(comparisons: Mapping[str, Comparison]) -> Figure:
    """ASTER and every product on ASTER's grid, one colour bar."""
    rasters: dict[str, Raster] = {"aster": next(iter(comparisons.values())).aster}
    rasters |= {name: comparison.product for name, comparison in comparisons.items()}
    figure, axes = _panels(len(rasters))
    norm = _limits(*(raster.values for raster in rasters.values()))
    for panel, (name, raster) in zip(axes, rasters.items(), strict=True):
        image = _map(panel, raster, LST_COLOURS, norm, label(name))
    _label_outer(axes)
    figure.colorbar(image, ax=axes, label="LST (K)", aspect=40)
    return figure


@styled
def distributions(comparisons: Mapping[str, Comparison]) -> Figure:
    """Box and violin of T and of its fine detail T − G T, for ASTER and every product."""
    images = {"aster": next(iter(comparisons.values())).aster.values}
    images |= {name: comparison.product.values for name, comparison in comparisons.items()}
    figure, axes = _panels(2, columns=1, width_in=7.2, height_in=2.7)
    details: dict[str, FloatArray] = {name: image - low_pass(image) for name, image in images.items()}
    rows: list[tuple[dict[str, FloatArray], str]] = [
        (images, "LST (K)"),
        (details, "fine detail T − G T (K)"),
    ]
    for panel, (data, title) in zip(axes, rows, strict=True):
        samples = [image.ravel() for image in data.values()]
        violins = panel.violinplot(samples, showextrema=False)
        for body in violins["bodies"]:  # type: ignore[attr-defined]  # typed as one artist
            body.set(facecolor="#56B4E9", alpha=0.6)
        panel.boxplot(samples, showfliers=False, widths=0.15, medianprops={"color": "black"})
        panel.set(ylabel=title, xticks=range(1, len(data) + 1), xticklabels=[])
    axes[1].set_xticklabels([label(name) for name in images], rotation=30, ha="right", rotation_mode="anchor")
    return figure


@styled
def densities(comparisons: Mapping[str, Comparison]) -> Figure:
    """Each product against ASTER, pixel by pixel, with the regression line and 1:1 (dotted)."""
    figure, axes = _panels(len(comparisons))
    values = [raster.values for c in comparisons.values() for raster in (c.product, c.aster)]
    limits = _limits(*values)
    ends = np.array([limits.vmin, limits.vmax], dtype=np.float64)
    counts, most = LogNorm(1.0, 2.0), 2.0
    for panel, (name, comparison) in zip(axes, comparisons.items(), strict=True):
        x, r = comparison.product.values.ravel(), comparison.aster.values.ravel()
        density = panel.hexbin(
            r, x, gridsize=45, norm=counts, mincnt=1, cmap="viridis", extent=(*ends, *ends), linewidths=0.1
        )
        most = max(most, float(np.max(np.asarray(density.get_array()))))
        line = fit_line(r, x)
        panel.plot(ends, ends, ":", color="black", linewidth=1.2)
        panel.plot(ends, line(ends), color="#D55E00", linewidth=1.8)
        panel.set(
            title=f"{label(name)}: slope {line.slope:.2f}",
            xlabel="ASTER LST (K)",
            ylabel="product LST (K)",
            box_aspect=1,
        )
        panel.set(xlim=ends, ylim=ends)
    counts.vmax = most
    _label_outer(axes)
    figure.colorbar(density, ax=axes, label="pixels", aspect=40)
    return figure


@styled
def spectra(curves: pd.DataFrame, title: str) -> Figure:
    """Attenuation against frequency, one line each; where a standard deviation is given, a band.

    Parameters
    ----------
    curves : DataFrame
        Columns method (or "aster", "ndvi"), frequency_per_m, attenuation_db, and std_db or none.
    """
    figure, (axes,) = _panels(1, width_in=7.2, height_in=4.4)
    for name, group in curves.groupby("method", sort=False):
        positive = group[group["frequency_per_m"] > 0.0]
        frequency_per_km, mean_db = 1000.0 * positive["frequency_per_m"], positive["attenuation_db"]
        style = _line(str(name))
        axes.plot(frequency_per_km, mean_db, **style)  # type: ignore[arg-type]  # keywords of a line
        if "std_db" in positive and name in ("aster", "sif-cnn-sr1"):
            spread = positive["std_db"]
            axes.fill_between(
                frequency_per_km, mean_db - spread, mean_db + spread, color=str(style["color"]), alpha=0.15
            )
    axes.axvline(0.5 / 0.9266254, color="#555555", linewidth=0.8, linestyle=":")
    axes.set(xlabel="spatial frequency (cycles per km)", ylabel="attenuation (dB)", title=title)
    handles, names = axes.get_legend_handles_labels()
    if "std_db" in curves:
        handles.append(LegendPatch(color="#999999", alpha=0.4))
        names.append("± one standard deviation over scenes")
    axes.legend(handles, names, ncols=2)
    return figure


@styled
def against_bias(table: pd.DataFrame, modis: pd.DataFrame) -> Figure:
    """RMSE and FRR of each method and scene against how far MODIS itself lies from ASTER at 1 km.

    Parameters
    ----------
    table : DataFrame
        Results, with scene, method, rmse_k and frr.
    modis : DataFrame
        Per scene coarse_bias_k and coarse_rmse_k.
    """
    joined = table[table["status"] == "ok"].merge(modis, on="scene")
    figure, axes = _panels(4, columns=2, width_in=3.6, height_in=2.8)
    metrics, causes = metrics_of(["rmse_k", "frr"]), list(COARSE_METRICS.values())
    for index, panel in enumerate(axes):
        metric, cause = metrics[index // 2], causes[index % 2]
        for marker, (name, group) in zip(MARKERS, joined.groupby("method", sort=False), strict=False):
            colour = str(_line(str(name))["color"])
            x, y = group[cause.column], group[metric.column]
            panel.scatter(x, y, s=14, marker=marker, color=colour, label=label(str(name)), alpha=0.75)
        panel.set(xlabel=cause.axis, ylabel=metric.axis)
    _label_outer(axes, columns=2)
    _legend_below(figure, axes[0])
    return figure


@styled
def differences(table: pd.DataFrame) -> Figure:
    """Mean paired difference of every two methods in four metrics;
    where its interval holds zero the cell is hatched.

    Parameters
    ----------
    table : DataFrame
        Of one protocol, as `evaluation.statistics.differences_between_methods` gives it.
    """
    metrics = metrics_of(["rmse_k", "frr", "attenuation_rmse_db", "ssim"])
    names = list(dict.fromkeys([*table["method"], *table["other"]]))
    labels, ticks = [label(str(name)) for name in names], range(len(names))
    figure, axes = _panels(len(metrics), columns=2, width_in=3.6, height_in=1.1 + 0.22 * len(names))
    for panel, metric in zip(axes, metrics, strict=True):
        values = np.full((len(names), len(names)), np.nan)
        of_metric = table[table["metric"] == metric.column]
        for name, other, difference, sign in zip(
            *(of_metric[c] for c in ("method", "other", "difference", "sign")), strict=True
        ):
            i, j = names.index(name), names.index(other)
            values[i, j], values[j, i] = difference, -difference
            if sign == 0:
                for x, y in ((i, j), (j, i)):
                    panel.add_patch(
                        Rectangle(
                            (x - 0.5, y - 0.5),
                            1.0,
                            1.0,
                            fill=False,
                            hatch="////",
                            linewidth=0.0,
                            edgecolor="#555555",
                        )
                    )
        largest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
        image = panel.imshow(values, cmap="PuOr", norm=Normalize(-largest, largest))
        panel.set(title="row minus column", xticks=ticks, yticks=ticks)
        panel.set_xticks(ticks, labels, rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
        panel.set_yticks(ticks, labels, fontsize=9)
        panel.grid(visible=False)
        figure.colorbar(image, ax=panel, label=metric.axis)
    return figure


@styled
def offsets(placed: pd.DataFrame) -> Figure:
    """How far the NDVI patch starts from the LST patch, and what RMSE
    each scene gains when both are placed rightly.

    Parameters
    ----------
    placed : DataFrame
        As `evaluation.side_studies.place_both_ways` gives its rows.
    """
    figure, axes = _panels(2, columns=2, width_in=3.6, height_in=3.6)
    scenes = placed.drop_duplicates("scene")
    rows, columns = scenes["rows_down"].to_numpy(), scenes["columns_right"].to_numpy()
    last_row, last_column = int(rows.max()), int(columns.max())
    counts = np.zeros((last_row + 1, last_column + 1))
    np.add.at(counts, (rows, columns), 1)
    axes[0].imshow(counts, cmap="Blues", norm=Normalize(0, max(1.0, counts.max())))
    for (row, column), count in np.ndenumerate(counts):
        dark = count > 0.6 * counts.max()
        axes[0].text(
            column, row, f"{count:.0f}", ha="center", va="center", color="white" if dark else "black"
        )
    axes[0].set(
        xlabel="fine pixels right", ylabel="fine pixels down", title="NDVI's origin from LST's: pairs"
    )
    axes[0].set(xticks=range(last_column + 1), yticks=range(last_row + 1))
    axes[0].grid(visible=False)
    results = placed[placed["status"] == "ok"]
    methods = list(results["method"].unique())
    wide = results.pivot(index=["method", "scene"], columns="placement", values="rmse_k")
    away = scenes.set_index("scene")[["rows_down", "columns_right"]].astype(float)
    distance = (away["rows_down"] ** 2 + away["columns_right"] ** 2) ** 0.5
    for index, (marker, name) in enumerate(zip(MARKERS, methods, strict=False)):
        gain = wide.loc[name, "as paired"] - wide.loc[name, "aligned"]
        # Moved a little, so that methods do not hide each other.
        beside = distance.loc[gain.index] + 0.04 * (index - len(methods) / 2)
        colour = str(_line(str(name))["color"])
        axes[1].scatter(beside, gain, s=12, marker=marker, color=colour, label=label(str(name)), alpha=0.75)
    axes[1].axhline(0.0, color="#555555", linewidth=0.8)
    axes[1].set(
        xlabel="offset (fine pixels)",
        ylabel="RMSE as paired − aligned (K)",
        title="Above zero: aligning helps",
    )
    _legend_below(figure, axes[1])
    return figure


@styled
def distortion(projected: pd.DataFrame) -> Figure:
    """Mean RMSE against mean FRR of each method, and consistency against
    RMSE, from no step of back-projection to the last.

    Parameters
    ----------
    projected : DataFrame
        As `evaluation.side_studies.back_project` gives its rows.
    """
    figure, axes = _panels(2, columns=2, width_in=3.6, height_in=3.8)
    results = projected[projected["status"] == "ok"]
    for marker, (name, group) in zip(MARKERS, results.groupby("method", sort=False), strict=False):
        means = group.groupby("step")[["rmse_k", "frr", "consistency_k"]].mean()
        style = _line(str(name))
        for panel, x, y in ((axes[0], "rmse_k", "frr"), (axes[1], "consistency_k", "rmse_k")):
            panel.plot(means[x], means[y], **style)  # type: ignore[arg-type]  # keywords of a line
            panel.plot(means[x].iloc[0], means[y].iloc[0], marker, color=str(style["color"]), markersize=7)
    axes[0].set(xlabel="RMSE against ASTER (K)", ylabel="FRR", title="Texture against distortion")
    axes[1].set(
        xlabel="consistency with the 1 km LST (K)",
        ylabel="RMSE against ASTER (K)",
        title="Symbols: no back-projection",
    )
    _legend_below(figure, axes[0])
    return figure


@styled
def shifts(table: pd.DataFrame, constant: Shift) -> Figure:
    """How far ASTER's features lie from those of each image, scene by scene, and the constant.

    Parameters
    ----------
    table : DataFrame
        With columns image, rows and columns, in ASTER's pixels.
    constant : Shift
    """
    figure, (axes,) = _panels(1, columns=1, width_in=4.4, height_in=3.8)
    for marker, (name, group) in zip(MARKERS, table.groupby("image", sort=False), strict=False):
        style = _line(str(name))
        told = "1 km LST" if name == "bicubic" else style["label"]
        axes.plot(
            group["columns"],
            group["rows"],
            marker,
            color=str(style["color"]),
            markersize=4,
            alpha=0.6,
            label=told,
        )
    place = [constant.columns], [constant.rows]
    axes.plot(*place, "+", color="#000000", markersize=14, markeredgewidth=2, label="the constant")
    axes.axhline(0.0, color="#777777", linewidth=0.8)
    axes.axvline(0.0, color="#777777", linewidth=0.8)
    axes.set(xlabel="columns to the right (pixels)", ylabel="rows down (pixels)", aspect="equal")
    axes.set(title="ASTER, from where MODIS saw the same")
    axes.invert_yaxis()
    _legend_below(figure, axes)
    return figure


@styled
def trade(comparison: pd.DataFrame, parts: Mapping[str, str], protocols: Sequence[str]) -> Figure:
    """Mean RMSE against mean FRR of each method, with 95 % intervals, in a panel for each part and protocol.

    Parameters
    ----------
    comparison : DataFrame
        As `evaluation.trade.compare` gives it.
    parts : mapping of str to str
        What the parts are called.
    protocols : sequence of str
        From left to right.
    """
    present = [part for part in parts if part in set(comparison["part"])]
    columns = len(protocols)
    height_in = 4.4 if len(present) == 1 else 3.2
    figure, panels = _panels(len(present) * columns, columns=columns, width_in=3.8, height_in=height_in)
    for index, axes in enumerate(panels):
        part, protocol = present[index // columns], protocols[index % columns]
        rows = comparison[(comparison["part"] == part) & (comparison["protocol"] == protocol)]
        by_metric = {
            metric: rows[rows["metric"] == metric].set_index("method") for metric in ("rmse_k", "frr")
        }
        for name in [name for name in METHODS if name in by_metric["rmse_k"].index]:
            x, y = (by_metric[metric].loc[name] for metric in ("rmse_k", "frr"))
            whiskers = [[[cell["mean"] - cell["low"]], [cell["high"] - cell["mean"]]] for cell in (x, y)]
            marker = MARKERS[list(METHODS).index(name) % len(MARKERS)]
            axes.errorbar(
                x["mean"], y["mean"], xerr=whiskers[0], yerr=whiskers[1], fmt=marker, markersize=6,
                color=str(_line(name)["color"]), elinewidth=0.8, alpha=0.9, label=label(name),
            )  # fmt: skip
        axes.set(xlabel=BY_COLUMN["rmse_k"].axis, ylabel=BY_COLUMN["frr"].axis)
        axes.set(title=f"{parts[part]}\n{protocol}")
    for row in range(len(present)):  # both protocols on one scale
        first, *others = panels[row * columns : (row + 1) * columns]
        for other in others:
            other.sharex(first)
            other.sharey(first)
            first.autoscale()
    _label_outer(panels, columns)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
