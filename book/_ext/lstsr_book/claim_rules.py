"""The rules, fixed beforehand, by which the paper's ten claims are judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lstsr_book.claim_evidence import ABSENT, LABELS, UNTESTABLE, Evidence, Figure, Finding, verdict_of
from lstsr_book.markup import number, thousands
from lstsr_book.run_files import CURVES, INVERSION, METRICS, PAIRS, PROVENANCE, SUMMARY
from lstsr_core.evaluation.statistics import COVERAGE, RESAMPLES, SEED, mean_interval
from lstsr_core.geo.grid import SPHERE_RADIUS_M, TILE_SIZE_M, Tile
from lstsr_core.metrics.contrast import CELL_PIXELS
from lstsr_core.metrics.names import BY_COLUMN, Metric
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights_files import PUBLISHED_CHECKPOINTS
from lstsr_core.pairs.pair import PUBLISHED_PAIRS

NOT_PUBLISHED = "not published"
SYNTHETIC = "synthetic sample"
NO_FIGURE = "no figure"

LARGEST_CONSISTENCY_K = 1.0
SMALLEST_INVERTED_SHARE = 0.1

NETWORK_NUMBERS, NETWORK_TENSORS = 283_906, 104
TILE = Tile(18, 4)

SIF_NETWORKS = ["sif-cnn-sr1", "sif-cnn-sr2"]
RIVALS = ["bicubic", "tsharp", "atprk", "dms", "sc-unet", "sif-cnn-sr2"]
"""What the abstract compares SIF-CNN-SR1 with."""

RMSE, LPIPS, CONSISTENCY = BY_COLUMN["rmse_k"], BY_COLUMN["lpips"], BY_COLUMN["consistency_k"]
FRR, FRO, ATTENUATION = BY_COLUMN["frr"], BY_COLUMN["fro"], BY_COLUMN["attenuation_rmse_db"]
FRU = replace(BY_COLUMN["fru"], digits=5)  # methods differ by less than its third decimal
FOURIER = [FRR, FRO, FRU, ATTENUATION]

PUBLISHED_LINE = {
    "psnr_db": "22.25", "ssim": "0.69", "rmse_k": "1.95", "rmse_low_gradient_k": "1.75",
    "rmse_mid_gradient_k": "1.82",
    "rmse_high_gradient_k": "2.35", "gssim": "0.34", "lpips": "0.24", "rmse_gradient": "6.96",
}  # fmt: skip
"""The published evaluation of scene 0 with SIF-CNN-SR1, to the digits printed."""

PUBLISHED_CURVES = {
    "sif-cnn-sr1": (22, "0.01013", 52),
    "sif-cnn-sr2": (121, "0.00193", 151),
    "sc-unet": (99, "0.00945", 119),
}
"""Epoch of the lowest validation loss, that loss, and how many epochs were run."""

METRICS_READ = [
    "scene",
    "method",
    "protocol",
    "status",
    "consistency_k",
    *(m.column for m in FOURIER),
    *PUBLISHED_LINE,
]


@dataclass(frozen=True)
class Rule:
    """A claim and how it is judged.

    Attributes
    ----------
    text, source, published : str
        What is claimed, where, and the published figure.
    rule : str
        The rule in words.
    file : str
        The run's file that decides.
    judge : function of (Evidence, protocol)
    protocols : tuple of str
        The one that decides, then those beside it; empty where the claim is of no comparison with ASTER.
    synthetic : bool
        Whether it can be judged without real scenes.
    """

    text: str
    source: str
    published: str
    rule: str
    file: str
    judge: Callable[[Evidence, str], Finding]
    protocols: tuple[str, ...] = ("georeferenced", "published")
    synthetic: bool = False


def _listed(figures: dict[str, str]) -> str:
    return ", ".join(f"{name} {figure}" for name, figure in figures.items())


def _texts(figures: dict[str, Figure]) -> str:
    return _listed({LABELS[name]: figure.text for name, figure in figures.items()})


def _mean_of(figures: dict[str, Figure]) -> str:
    count = max(figure.samples for figure in figures.values())
    return f"mean of {count} scene{'s' if count != 1 else ''}"


def _consistency(evidence: Evidence, protocol: str) -> Finding:
    scores = evidence.scores(protocol)
    present, missing = scores.availability(SIF_NETWORKS)
    if not present:
        return Finding(NO_FIGURE, verdict_of({}, missing))
    means = scores.means(present + scores.availability(["bicubic"])[0], CONSISTENCY)
    checks = {LABELS[name]: means[name].mean <= LARGEST_CONSISTENCY_K for name in present}
    ours = f"{_texts(means)} ({_mean_of(means)}){evidence.other_weights(present)}"
    return Finding(ours, verdict_of(checks, missing), tuple(means.values()))


def _textures(evidence: Evidence, protocol: str) -> Finding:
    scores = evidence.scores(protocol)
    present, missing = scores.availability([*SIF_NETWORKS, "bicubic"])
    networks = [name for name in present if name in SIF_NETWORKS]
    if "bicubic" not in present or not networks:
        return Finding(NO_FIGURE, verdict_of({}, missing))
    checks: dict[str, bool] = {}
    parts: list[str] = []
    figures: list[Figure] = []
    for metric in (FRR, ATTENUATION):
        means = scores.means(present, metric)
        parts.append(f"{metric.label}: {_texts(means)}")
        for name in networks:
            difference = scores.differences(name, ["bicubic"], metric)["bicubic"]
            checks[f"{LABELS[name]} in {metric.label}"] = difference.sign == metric.sign
            figures.append(difference)
    ours = f"{'; '.join(parts)} ({_mean_of(means)}){evidence.other_weights(networks)}"
    return Finding(ours, verdict_of(checks, missing), tuple(figures))


def _against_rivals(evidence: Evidence, protocol: str, metrics: Sequence[Metric]) -> Finding:
    scores, best = evidence.scores(protocol), SIF_NETWORKS[0]
    reason = scores.reason(best)
    if reason is not None:
        return Finding(NO_FIGURE, verdict_of({}, {LABELS[best]: reason}))
    rivals, untested = scores.availability(RIVALS)
    if not rivals:
        return Finding(NO_FIGURE, verdict_of({}, untested))
    checks: dict[str, bool] = {}
    parts: list[str] = []
    figures: list[Figure] = []
    for metric in metrics:
        differences = scores.differences(best, rivals, metric)
        # Where nearer to zero is better, the difference is of magnitudes, so that less is better.
        better_sign = metric.sign or -1
        worse, open_against = (
            [LABELS[name] for name in rivals if differences[name].sign == sign] for sign in (-better_sign, 0)
        )
        better = len(rivals) - len(worse) - len(open_against)
        if open_against and not worse:
            untested[metric.label] = "chance may have decided"
        else:
            checks[metric.label] = not worse
        outcomes = [f"better than {better} of {len(rivals)}"]
        outcomes += [f"worse than {', '.join(worse)}"] if worse else []
        outcomes += [f"not told apart from {', '.join(open_against)}"] if open_against else []
        means = scores.means([best, *rivals], metric)
        parts.append(f"{metric.label} {means[best].text}: {', '.join(outcomes)}")
        figures += differences.values()
    ours = f"{'; '.join(parts)} ({_mean_of(means)}){evidence.other_weights([best, *rivals])}"
    return Finding(ours, verdict_of(checks, untested), tuple(figures))


def _lpips(evidence: Evidence, protocol: str) -> Finding:
    scores = evidence.scores(protocol)
    if scores.by_scene(SIF_NETWORKS[:1], LPIPS.column).empty:
        reason = (
            scores.reason(SIF_NETWORKS[0])
            or "the weights of the LPIPS network are not distributed with this book"
        )
        return Finding(NO_FIGURE, f"{UNTESTABLE}: {reason}")
    return _against_rivals(evidence, protocol, [LPIPS])


def _fourier(evidence: Evidence, protocol: str) -> Finding:
    return _against_rivals(evidence, protocol, FOURIER)


def _published_line(evidence: Evidence, protocol: str) -> Finding:
    table = evidence.metrics
    rows = table[(table["scene"] == "0") & (table["method"] == SIF_NETWORKS[0]) & (table["status"] == "ok")]
    rows = rows[rows["protocol"] == protocol]
    if rows.empty:
        return Finding(NO_FIGURE, f"{UNTESTABLE}: scene 0 under the {protocol} protocol is {ABSENT}")
    row = rows.iloc[0]
    ours = _line(row) + evidence.other_weights(SIF_NETWORKS[:1])
    if protocol != "published":
        return Finding(ours, f"{UNTESTABLE}: the line was published for the published protocol")
    checks, untested = {}, {}
    for column, printed in PUBLISHED_LINE.items():
        label = BY_COLUMN[column].label
        if math.isnan(row[column]):
            untested[label] = NO_FIGURE
        else:
            checks[label] = f"{row[column]:.2f}" == printed
    return Finding(ours, verdict_of(checks, untested))


def _line(row: pd.Series[Any]) -> str:
    return _listed({BY_COLUMN[column].label: number(float(row[column]), 2) for column in PUBLISHED_LINE})


def _database(evidence: Evidence, protocol: str) -> Finding:
    listed = sum(name.endswith("_aster_250m.tif") for name in evidence.registry)
    summary = evidence.files.json(SUMMARY)
    checks = {f"the list of published files, which names {listed}": listed == PUBLISHED_PAIRS}
    ours = f"{listed} pairs in the list of published files"
    if summary.get("synthetic", True):
        return Finding(
            f"{ours}; the pairs read here are simulated", verdict_of(checks, {"pairs read": SYNTHETIC})
        )
    pairs = evidence.files.table(PAIRS, ["longitude", "latitude"])
    inside = _inside_tile(pairs)
    checks[f"the pairs read here, which are {len(pairs)}"] = len(pairs) == PUBLISHED_PAIRS
    checks[f"the tile, which {inside} of {len(pairs)} centres lie in"] = inside == len(pairs)
    return Finding(
        f"{ours}; {len(pairs)} read here, {inside} of them centred in tile {TILE}", verdict_of(checks)
    )


def _inside_tile(pairs: pd.DataFrame) -> int:
    latitude, longitude = np.radians(pairs["latitude"]), np.radians(pairs["longitude"])
    right_m = SPHERE_RADIUS_M * longitude * np.cos(latitude) - TILE.left_m
    down_m = TILE.top_m - SPHERE_RADIUS_M * latitude
    return int(((right_m >= 0) & (right_m < TILE_SIZE_M) & (down_m >= 0) & (down_m < TILE_SIZE_M)).sum())


def _curves(evidence: Evidence, protocol: str) -> Finding:
    table = evidence.files.table(CURVES, ["model", "source", "epoch", "val_loss"])
    table = table[table["source"] == "published"].dropna(subset=["val_loss"])
    checks, parts, missing = {}, [], {}
    for model, (epoch, loss, count) in PUBLISHED_CURVES.items():
        rows = table[table["model"].isin([model, LABELS[model]])]
        if rows.empty:
            missing[LABELS[model]] = "no published curve"
            continue
        best = rows.iloc[int(rows["val_loss"].to_numpy().argmin())]
        curve = int(best["epoch"]), f"{best['val_loss']:.5f}", int(rows["epoch"].max())
        checks[LABELS[model]] = curve == (epoch, loss, count)
        parts.append(f"{LABELS[model]}: epoch {curve[0]} of {curve[2]}, loss {curve[1]}")
    return Finding("; ".join(parts) or NO_FIGURE, verdict_of(checks, missing))


def _architecture(evidence: Evidence, protocol: str) -> Finding:
    state = SharpeningUNet().state_dict()
    numbers, tensors = sum(tensor.numel() for tensor in state.values()), len(state)
    checks = {"numbers": numbers == NETWORK_NUMBERS, "tensors": tensors == NETWORK_TENSORS}
    scores = evidence.scores("georeferenced")
    # A method has figures only after load_model has found every tensor of the file to fit.
    loaded = [
        name
        for name in PUBLISHED_CHECKPOINTS
        if scores.reason(name) is None and evidence.published_weights(name)
    ]
    checkpoints = f"{len(loaded)} of {len(PUBLISHED_CHECKPOINTS)} published checkpoints loaded"
    ours = f"{thousands(numbers)} numbers in {tensors} tensors; {checkpoints}"
    return Finding(
        ours,
        verdict_of(checks, {} if loaded else {"layers": "no published checkpoint in this edition to load"}),
    )


def _scale_invariance(evidence: Evidence, protocol: str) -> Finding:
    best, other = SIF_NETWORKS[0], "sc-unet"
    scores = evidence.scores(protocol)
    present, missing = scores.availability([best, other])
    if len(present) < 2:
        return Finding(NO_FIGURE, verdict_of({}, missing))
    checks: dict[str, bool] = {}
    parts: list[str] = []
    figures: list[Figure] = []
    for metric in (FRR, ATTENUATION):
        means, differences = scores.means([other, best], metric), scores.differences(best, [other], metric)
        difference = differences[other]
        if difference.samples < 2:
            return Finding(NO_FIGURE, verdict_of({}, {"bootstrap": "fewer than two scenes"}))
        checks[metric.label] = difference.sign == metric.sign
        parts.append(f"{metric.label}: {_texts(means)}, difference {difference.text}")
        figures.append(difference)
    ours = f"{'; '.join(parts)} ({_mean_of(means)}){evidence.other_weights([best, other])}"
    return Finding(ours, verdict_of(checks), tuple(figures))


def _inversion(evidence: Evidence, protocol: str) -> Finding:
    table = evidence.files.table(INVERSION, ["scene", "method", "tiles_rising", "tiles_inverted"])
    scores = evidence.scores(protocol)
    checks: dict[str, bool] = {}
    parts: list[str] = []
    missing: dict[str, str] = {}
    for name in (SIF_NETWORKS[0], "dms", "bicubic"):
        rows = table[table["method"] == name]
        rising, inverted = int(rows["tiles_rising"].sum()), int(rows["tiles_inverted"].sum())
        if name == "bicubic":
            if parts and rising:
                parts.append(f"for comparison Bicubic {_share(inverted, rising)}")
        elif rising == 0:
            missing[LABELS[name]] = scores.reason(name) or "no tile where ASTER rises with NDVI"
        else:
            checks[LABELS[name]] = inverted / rising >= SMALLEST_INVERTED_SHARE
            parts.append(f"{LABELS[name]} {_share(inverted, rising)}")
    scenes = table.loc[table["tiles_rising"] > 0, "scene"].nunique()
    tiles = f" (such tiles lie in {scenes} scene{'s' if scenes != 1 else ''}; intervals by drawing tiles)"
    ours = "; ".join(parts) + tiles + evidence.other_weights(SIF_NETWORKS[:1]) if parts else NO_FIGURE
    return Finding(ours, verdict_of(checks, missing))


def _share(inverted: int, rising: int) -> str:
    interval = mean_interval(100.0 * (np.arange(rising) < inverted))
    figures = (number(value, 0) for value in (interval.mean, interval.low, interval.high))
    return "{} % [{}, {}] ({} of {} tiles)".format(*figures, inverted, rising)


BEYOND_CHANCE = (
    f"the difference, paired over scenes, with its whole {100 * COVERAGE:g} % bootstrap interval "
    f"({thousands(RESAMPLES)} resamples, seed {SEED})"
)

RULES = [
    Rule(
        "A SIF network's 250 m LST, degraded to 1 km, gives back the LST that it came from.",
        "abstract",
        NOT_PUBLISHED,
        f"For both SIF networks the RMSE between D(product) and the input is on average at most "
        f"{LARGEST_CONSISTENCY_K:g} K.",
        METRICS,
        _consistency,
    ),
    Rule(
        "Its 250 m LST carries fine textures that follow NDVI: its spectrum is near ASTER's and above "
        "Bicubic's.",
        "abstract",
        NOT_PUBLISHED,
        f"For both SIF networks FRR is above and attenuation RMSE below Bicubic's, {BEYOND_CHANCE}.",
        METRICS,
        _textures,
    ),
    Rule(
        "SIF-CNN-SR1 is better than Bicubic, TsHARP, ATPRK, DMS, SC-Unet and SIF-CNN-SR2 in LPIPS.",
        "abstract; figure from the evaluation notebook",
        "0.24 for scene 0",
        f"Its LPIPS is below that of each of them, {BEYOND_CHANCE}.",
        METRICS,
        _lpips,
    ),
    Rule(
        "SIF-CNN-SR1 is better than the same methods in the Fourier metrics.",
        "abstract",
        NOT_PUBLISHED,
        "Its FRR is above, its FRO and attenuation RMSE are below and its FRU is nearer to zero than that of "
        "each of them, "
        f"{BEYOND_CHANCE}; where an interval holds zero, chance may have decided.",
        METRICS,
        _fourier,
    ),
    Rule(
        "Scene 0, SIF-CNN-SR1: one line of nine figures.",
        "evaluation notebook",
        _listed({BY_COLUMN[column].label: printed for column, printed in PUBLISHED_LINE.items()}),
        "Under the published protocol each figure agrees to the digits printed.",
        METRICS,
        _published_line,
        ("published", "georeferenced"),
    ),
    Rule(
        f"There are {PUBLISHED_PAIRS} concomitant ASTER–MODIS pairs in tile {TILE} to evaluate on.",
        "abstract; published database",
        f"{PUBLISHED_PAIRS} pairs",
        "The list of published files names that many, that many are read, and all their centres lie in the "
        "tile.",
        SUMMARY,
        _database,
        (),
        synthetic=True,
    ),
    Rule(
        "The training curves of the three networks, and their best epochs.",
        "published logs",
        "; ".join(
            f"{LABELS[name]}: epoch {e} of {count}, loss {loss}"
            for name, (e, loss, count) in PUBLISHED_CURVES.items()
        ),
        "In the published logs, the lowest validation loss is at that epoch and agrees to five decimals, and "
        "that many epochs "
        "were run.",
        CURVES,
        _curves,
        (),
        synthetic=True,
    ),
    Rule(
        "The three networks share one architecture and size.",
        "published checkpoints",
        f"{thousands(NETWORK_NUMBERS)} numbers in {NETWORK_TENSORS} tensors",
        "The network built here has as many of both, and at least one published checkpoint loads into it "
        "with no tensor "
        "missing or to spare.",
        PROVENANCE,
        _architecture,
        (),
        synthetic=True,
    ),
    Rule(
        "Scale invariance does not always hold: SC-Unet's texture falls short at 250 m.",
        "abstract",
        NOT_PUBLISHED,
        f"SIF-CNN-SR1's FRR is above and its attenuation RMSE below SC-Unet's, {BEYOND_CHANCE}.",
        METRICS,
        _scale_invariance,
    ),
    Rule(
        "Where LST rises with NDVI, SIF-CNN-SR1 and DMS can draw the contrast inverted.",
        "a figure of the published code",
        NOT_PUBLISHED,
        f"For both, of the tiles of {CELL_PIXELS}×{CELL_PIXELS} pixels where ASTER's fine detail rises with "
        f"NDVI, the product's "
        f"falls in at least {100 * SMALLEST_INVERTED_SHARE:g} %.",
        INVERSION,
        _inversion,
        ("georeferenced",),
    ),
]
