"""The paper's ten claims, each judged from the files of a run by a rule that was fixed beforehand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstsr_core.archive import read_registry
from lstsr_core.bootstrap import COVERAGE, RESAMPLES, SEED, mean_intervals
from lstsr_core.contrast import CELL_PIXELS
from lstsr_core.errors import InputError
from lstsr_core.grid import SPHERE_RADIUS_M, TILE_SIZE_M, Tile
from lstsr_core.networks import PUBLISHED_CHECKPOINTS, SharpeningUNet
from lstsr_core.pairs import PUBLISHED_PAIRS
from lstsr_core.project import REGISTRY
from lstsr_core.raster import written_atomically
from lstsr_core.sharpeners import METHODS

SUMMARY = "01_download/summary.json"
PAIRS = "01_download/pairs.csv"
CURVES = "03_training/curves.csv"
METRICS = "06_aster_evaluation/metrics.csv"
INVERSION = "06_aster_evaluation/inversion.csv"
PROVENANCE = "provenance.json"

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
PARTLY = "partly reproduced"
UNTESTABLE = "cannot be tested here"

NOT_PUBLISHED = "not published"
ABSENT = "not in this edition"
SYNTHETIC = "synthetic sample"

TESTABLE_ON_SYNTHETIC = {6, 7, 8}
"""Claims about published files and the network itself, which need no real scene."""

LARGEST_CONSISTENCY_K = 1.0
SMALLEST_INVERTED_SHARE = 0.1

NETWORK_NUMBERS, NETWORK_TENSORS = 283_906, 104
TILE = Tile(18, 4)

SIF_NETWORKS = ["sif-cnn-sr1", "sif-cnn-sr2"]
RIVALS = ["bicubic", "tsharp", "atprk", "dms", "sc-unet", "sif-cnn-sr2"]
"""What the abstract compares SIF-CNN-SR1 with."""

LABELS = {name: method.label for name, method in METHODS.items()}

PUBLISHED_LINE = {
    "psnr_db": ("PSNR", "22.25"),
    "ssim": ("SSIM", "0.69"),
    "rmse_k": ("RMSE", "1.95"),
    "rmse_low_gradient_k": ("RMSE low", "1.75"),
    "rmse_mid_gradient_k": ("RMSE mid", "1.82"),
    "rmse_high_gradient_k": ("RMSE high", "2.35"),
    "gssim": ("GSSIM", "0.34"),
    "lpips": ("LPIPS", "0.24"),
    "rmse_gradient": ("gradient RMSE", "6.96"),
}
"""The published evaluation of scene 0 with SIF-CNN-SR1, to the digits printed."""

PUBLISHED_CURVES = {
    "sif-cnn-sr1": (22, "0.01013", 52),
    "sif-cnn-sr2": (121, "0.00193", 151),
    "sc-unet": (99, "0.00945", 119),
}
"""Epoch of the lowest validation loss, that loss, and how many epochs were run."""

_FOURIER_METRICS = ["frr", "fro", "fru", "attenuation_rmse_db"]
_METRICS_READ = ["scene", "method", "protocol", "status", "consistency_k", *_FOURIER_METRICS, *PUBLISHED_LINE]


@dataclass(frozen=True)
class Claim:
    """One row of the claims table.

    Attributes
    ----------
    number : int
        1 … 10.
    text, source : str
        What the paper claims, and where.
    published : str
        The published figure, or "not published".
    ours : str
        The figure of this edition, or why there is none.
    tolerance : str
        The rule that gives the verdict.
    verdict : str
        "reproduced", "not reproduced", "partly reproduced" or "cannot be tested here", the last two followed by a colon and why.
    file : str
        The run's file that `ours` comes from.
    """

    number: int
    text: str
    source: str
    published: str
    ours: str
    tolerance: str
    verdict: str
    file: str

    @property
    def outcome(self) -> str:
        """The verdict without its reason."""
        return self.verdict.split(":")[0]


@dataclass(frozen=True)
class RunFiles:
    """The files that a run left, read on demand; a missing one is named together with the command that makes it."""

    run: Path

    def path(self, name: str) -> Path:
        """Where a file of the run is.

        Raises
        ------
        InputError
            If it is not there.
        """
        path = self.run / name
        if not path.is_file():
            raise InputError(
                f"{path}: no such file, and the book is made from it. Make it first: lstsr run --profile {self.run.name}"
            )
        return path

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object of the run."""
        path = self.path(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path}: not readable as JSON ({error}). Run the notebook that writes it again.") from error
        if not isinstance(content, dict):
            raise InputError(f"{path}: holds a {type(content).__name__}; expected a JSON object.")
        return content

    def table(self, name: str, columns: Sequence[str] = ()) -> pd.DataFrame:
        """A CSV table of the run, scenes as text.

        Raises
        ------
        InputError
            If it is missing, not a table, or lacks one of `columns`.
        """
        path = self.path(name)
        try:
            table = pd.read_csv(path, dtype={"scene": str, "method": str, "status": str})
        except ValueError as error:
            raise InputError(f"{path}: not readable as a table ({error}). Run the notebook that writes it again.") from error
        missing = [column for column in columns if column not in table.columns]
        if missing:
            raise InputError(f"{path}: lacks the column {', '.join(missing)}; it has {', '.join(table.columns)}.")
        return table


class Judged:
    """The rows of the metrics table under one protocol."""

    def __init__(self, table: pd.DataFrame, protocol: str = "georeferenced") -> None:
        self._rows = table[table["protocol"] == protocol]
        self._good = self._rows[self._rows["status"] == "ok"]

    def reason(self, method: str) -> str | None:
        """Why a method has no figure at all; None if it has."""
        if (self._good["method"] == method).any():
            return None
        statuses = self._rows.loc[self._rows["method"] == method, "status"].dropna()
        return ABSENT if statuses.empty else str(statuses.mode()[0])

    def judged(self, methods: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Those of `methods` that have figures, and for the others label and reason."""
        reasons = {name: self.reason(name) for name in methods}
        return [name for name in methods if reasons[name] is None], {LABELS[n]: r for n, r in reasons.items() if r is not None}

    def paired(self, methods: Sequence[str], metric: str) -> pd.DataFrame:
        """A metric by scene (rows) and method (columns), over the scenes for which all methods have it."""
        table = self._good.pivot_table(index="scene", columns="method", values=metric, sort=False)
        return table.reindex(columns=list(methods)).dropna()


@dataclass(frozen=True)
class _Evidence:
    """Everything that the claims are judged from."""

    files: RunFiles
    judged: Judged
    registry: dict[str, str]

    def published_weights(self, method: str) -> bool:
        """Whether the file that a network was filled from is the published checkpoint, by its sha256."""
        record = self.files.json(PROVENANCE).get(Path(METRICS).parent.name, {})
        folder, inputs = record.get("parameters", {}).get("weights_directory", ""), record.get("inputs", {})
        published = PUBLISHED_CHECKPOINTS[method]
        # In the order in which networks.weights_file looks.
        for path in (
            f"{folder}/{subfolder}{name}" for subfolder in ("", "models/") for name in (f"{method}.safetensors", published)
        ):
            if path in inputs:
                return bool(inputs[path] == self.registry.get(f"models/{published}"))
        return False


@dataclass(frozen=True)
class _Finding:
    ours: str
    verdict: str


def claims(run: Path, registry: Path = REGISTRY) -> list[Claim]:
    """Judge the ten claims from the files of a run.

    Parameters
    ----------
    run : Path
        A run's directory, as ``lstsr run`` leaves it.
    registry : Path
        Names and sha256 of the published files, one a line.

    Raises
    ------
    InputError
        If a file of the run is missing or is not what it should be.
    """
    files = RunFiles(run)
    evidence = _Evidence(files, Judged(files.table(METRICS, _METRICS_READ)), read_registry(registry))
    synthetic = bool(files.json(SUMMARY).get("synthetic", True))
    rows = []
    for number, (text, source, published, tolerance, file, judge) in enumerate(_CLAIMS, start=1):
        finding = judge(evidence)
        verdict = finding.verdict
        if synthetic and number not in TESTABLE_ON_SYNTHETIC:
            further = verdict.partition(": ")[2] if verdict.startswith(UNTESTABLE) else ""
            verdict = f"{UNTESTABLE}: {'; '.join(filter(None, [SYNTHETIC, further]))}"
        rows.append(Claim(number, text, source, published, finding.ours, tolerance, verdict, file))
    return rows


def write_claims(rows: list[Claim], path: Path) -> None:
    """Write claims as JSON, the same bytes for the same claims, atomically."""
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _verdict(checks: dict[str, bool], untested: dict[str, str] | None = None) -> str:
    # checks: what the rule asks for, and whether it is met. untested: what the rule asks for too, and why it cannot be had.
    names_by_reason: dict[str, list[str]] = {}
    for name, reason in (untested or {}).items():
        names_by_reason.setdefault(reason, []).append(name)
    open_points = "; ".join(f"{reason} ({', '.join(names)})" for reason, names in names_by_reason.items())
    failed = ", ".join(name for name, met in checks.items() if not met)
    if not checks:
        return f"{UNTESTABLE}: {open_points}"
    if not any(checks.values()):
        return NOT_REPRODUCED
    if failed or open_points:
        return f"{PARTLY}: " + "; ".join(filter(None, [failed and f"not for {failed}", open_points]))
    return REPRODUCED


def _listed(figures: dict[str, str]) -> str:
    return ", ".join(f"{name} {figure}" for name, figure in figures.items())


def _fixed(value: float, digits: int) -> str:
    # Rounded to −0 reads as a sign that is not there.
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _scenes(count: int) -> str:
    return f"mean of {count} scene{'s' if count != 1 else ''}"


def _weights(evidence: _Evidence, methods: Sequence[str]) -> str:
    # Figures of networks that were trained here must not be taken for figures of the published ones.
    own = [LABELS[name] for name in methods if name in PUBLISHED_CHECKPOINTS and not evidence.published_weights(name)]
    return f"; weights other than the published ones: {', '.join(own)}" if own else ""


def _lowest(value: float) -> float:
    return value


def _highest(value: float) -> float:
    return -value


def _consistency(evidence: _Evidence) -> _Finding:
    present, missing = evidence.judged.judged(SIF_NETWORKS)
    if not present:
        return _Finding("no figure", _verdict({}, missing))
    shown = present + evidence.judged.judged(["bicubic"])[0]
    table = evidence.judged.paired(shown, "consistency_k")
    means = table.mean()
    checks = {LABELS[name]: bool(means[name] <= LARGEST_CONSISTENCY_K) for name in present}
    figures = {LABELS[name]: f"{_fixed(means[name], 2)} K" for name in shown}
    return _Finding(f"{_listed(figures)} ({_scenes(len(table))}){_weights(evidence, present)}", _verdict(checks, missing))


def _textures(evidence: _Evidence) -> _Finding:
    present, missing = evidence.judged.judged([*SIF_NETWORKS, "bicubic"])
    networks = [name for name in present if name in SIF_NETWORKS]
    if "bicubic" not in present or not networks:
        return _Finding("no figure", _verdict({}, missing))
    frr = evidence.judged.paired(present, "frr")
    distance = evidence.judged.paired(present, "attenuation_rmse_db")
    recovered, attenuation = frr.mean(), distance.mean()
    checks = {}
    for name in networks:
        checks[f"{LABELS[name]} in FRR"] = _worse(frr, name, "bicubic", _highest) < 0
        checks[f"{LABELS[name]} in attenuation RMSE"] = _worse(distance, name, "bicubic", _lowest) < 0
    ours = (
        f"FRR: {_listed({LABELS[n]: _fixed(recovered[n], 3) for n in present})}; "
        f"attenuation RMSE: {_listed({LABELS[n]: _fixed(attenuation[n], 2) + ' dB' for n in present})} ({_scenes(len(frr))})"
    )
    return _Finding(ours + _weights(evidence, networks), _verdict(checks, missing))


_FOURIER: list[tuple[str, str, Callable[[float], float]]] = [
    ("frr", "FRR", _highest),
    ("fro", "FRO", _lowest),
    ("fru", "FRU", abs),
    ("attenuation_rmse_db", "attenuation RMSE", _lowest),
]


def _against_rivals(evidence: _Evidence, metrics: list[tuple[str, str, Callable[[float], float]]]) -> _Finding:
    best = SIF_NETWORKS[0]
    own_reason = evidence.judged.reason(best)
    if own_reason is not None:
        return _Finding("no figure", _verdict({}, {LABELS[best]: own_reason}))
    rivals, untested = evidence.judged.judged(RIVALS)
    if not rivals:
        return _Finding("no figure", _verdict({}, untested))
    checks, parts = {}, []
    for metric, label, badness in metrics:
        table = evidence.judged.paired([best, *rivals], metric)
        signs = {name: _worse(table, best, name, badness) for name in rivals}
        worse, open_against = ([LABELS[name] for name in rivals if signs[name] == sign] for sign in (1, 0))
        better = len(rivals) - len(worse) - len(open_against)
        if open_against and not worse:
            untested[label] = "chance may have decided"
        else:
            checks[label] = not worse
        told = [f"better than {better} of {len(rivals)}"]
        told += [f"worse than {', '.join(worse)}"] if worse else []
        told += [f"not told apart from {', '.join(open_against)}"] if open_against else []
        parts.append(f"{label} {_fixed(table[best].mean(), 3)}: {', '.join(told)}")
    return _Finding("; ".join(parts) + _weights(evidence, [best, *rivals]), _verdict(checks, untested))


def _worse(table: pd.DataFrame, name: str, other: str, badness: Callable[[float], float]) -> int:
    # −1 or 1 where the whole interval of the difference lies on the better or the worse side; 0 where chance may have decided.
    differences = table[name].map(badness) - table[other].map(badness)
    return mean_intervals(differences.to_numpy()[:, None])[0].sign if len(differences) else 0


def _lpips(evidence: _Evidence) -> _Finding:
    if evidence.judged.paired([SIF_NETWORKS[0]], "lpips").empty:
        reason = evidence.judged.reason(SIF_NETWORKS[0]) or "the weights of the LPIPS network are not distributed with this book"
        return _Finding("no figure", f"{UNTESTABLE}: {reason}")
    return _against_rivals(evidence, [("lpips", "LPIPS", _lowest)])


def _fourier(evidence: _Evidence) -> _Finding:
    return _against_rivals(evidence, _FOURIER)


def _published_line(evidence: _Evidence) -> _Finding:
    table = evidence.files.table(METRICS)
    rows = table[(table["scene"] == "0") & (table["method"] == SIF_NETWORKS[0])]
    published = rows[(rows["protocol"] == "published") & (rows["status"] == "ok")]
    if published.empty:
        plain = rows[(rows["protocol"] == "georeferenced") & (rows["status"] == "ok")]
        reason = f"{UNTESTABLE}: the published protocol is {ABSENT}"
        if plain.empty:
            return _Finding("no figure", reason)
        return _Finding(f"another protocol (georeferenced): {_line(plain.iloc[0])}", reason)
    row = published.iloc[0]
    checks, untested = {}, {}
    for metric, (label, printed) in PUBLISHED_LINE.items():
        if math.isnan(row[metric]):
            untested[label] = "no figure"
        else:
            checks[label] = f"{row[metric]:.2f}" == printed
    return _Finding(_line(row) + _weights(evidence, SIF_NETWORKS[:1]), _verdict(checks, untested))


def _line(row: pd.Series[Any]) -> str:
    figures = {label: "–" if math.isnan(row[metric]) else f"{row[metric]:.2f}" for metric, (label, _) in PUBLISHED_LINE.items()}
    return _listed(figures)


def _database(evidence: _Evidence) -> _Finding:
    listed = sum(name.endswith("_aster_250m.tif") for name in evidence.registry)
    summary = evidence.files.json(SUMMARY)
    checks = {f"the list of published files, which names {listed}": listed == PUBLISHED_PAIRS}
    ours = f"{listed} pairs in the list of published files"
    if summary.get("synthetic", True):
        return _Finding(f"{ours}; the pairs read here are simulated", _verdict(checks, {"pairs read": SYNTHETIC}))
    pairs = evidence.files.table(PAIRS, ["longitude", "latitude"])
    inside = _inside_tile(pairs)
    checks[f"the pairs read here, which are {len(pairs)}"] = len(pairs) == PUBLISHED_PAIRS
    checks[f"the tile, which {inside} of {len(pairs)} centres lie in"] = inside == len(pairs)
    return _Finding(f"{ours}; {len(pairs)} read here, {inside} of them centred in tile {TILE}", _verdict(checks))


def _inside_tile(pairs: pd.DataFrame) -> int:
    latitude, longitude = np.radians(pairs["latitude"]), np.radians(pairs["longitude"])
    right_m = SPHERE_RADIUS_M * longitude * np.cos(latitude) - TILE.left_m
    down_m = TILE.top_m - SPHERE_RADIUS_M * latitude
    return int(((right_m >= 0) & (right_m < TILE_SIZE_M) & (down_m >= 0) & (down_m < TILE_SIZE_M)).sum())


def _curves(evidence: _Evidence) -> _Finding:
    table = evidence.files.table(CURVES, ["model", "source", "epoch", "val_loss"])
    table = table[table["source"] == "published"].dropna(subset=["val_loss"])
    checks, parts, missing = {}, [], {}
    for model, (epoch, loss, count) in PUBLISHED_CURVES.items():
        rows = table[table["model"].isin([model, LABELS[model]])]
        if rows.empty:
            missing[LABELS[model]] = "no published curve"
            continue
        best = rows.iloc[int(rows["val_loss"].to_numpy().argmin())]
        found = int(best["epoch"]), f"{best['val_loss']:.5f}", int(rows["epoch"].max())
        checks[LABELS[model]] = found == (epoch, loss, count)
        parts.append(f"{LABELS[model]}: epoch {found[0]} of {found[2]}, loss {found[1]}")
    return _Finding("; ".join(parts) or "no figure", _verdict(checks, missing))


def _architecture(evidence: _Evidence) -> _Finding:
    state = SharpeningUNet().state_dict()
    numbers, tensors = sum(tensor.numel() for tensor in state.values()), len(state)
    checks = {"numbers": numbers == NETWORK_NUMBERS, "tensors": tensors == NETWORK_TENSORS}
    # A method has figures only after load_model has found every tensor of the file to fit.
    loaded = [name for name in PUBLISHED_CHECKPOINTS if evidence.judged.reason(name) is None and evidence.published_weights(name)]
    checkpoints = f"{len(loaded)} of {len(PUBLISHED_CHECKPOINTS)} published checkpoints loaded"
    ours = f"{thousands(numbers)} numbers in {tensors} tensors; {checkpoints}"
    return _Finding(ours, _verdict(checks, {} if loaded else {"layers": "no published checkpoint in this edition to load"}))


def thousands(number: int) -> str:
    """Digits in groups of three, with a space that does not break.

    >>> thousands(1234).split()
    ['1', '234']
    """
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def _scale_invariance(evidence: _Evidence) -> _Finding:
    names = [SIF_NETWORKS[0], "sc-unet"]
    present, missing = evidence.judged.judged(names)
    if len(present) < 2:
        return _Finding("no figure", _verdict({}, missing))
    frr, attenuation = (evidence.judged.paired(names, metric) for metric in ("frr", "attenuation_rmse_db"))
    if len(frr) < 2:
        return _Finding("no figure", _verdict({}, {"bootstrap": "fewer than two scenes"}))
    checks, parts = {}, []
    for label, table, unit, sign in (("FRR", frr, "", 1), ("attenuation RMSE", attenuation, " dB", -1)):
        (interval,) = mean_intervals((table[names[0]] - table[names[1]]).to_numpy()[:, None])
        checks[label] = interval.sign == sign
        means = table.mean()
        parts.append(
            f"{label}: SC-Unet {_fixed(means[names[1]], 3)}{unit}, SIF-CNN-SR1 {_fixed(means[names[0]], 3)}{unit}, "
            f"difference {_fixed(interval.mean, 3)} [{_fixed(interval.low, 3)}, {_fixed(interval.high, 3)}]{unit}"
        )
    return _Finding(f"{'; '.join(parts)} ({_scenes(len(frr))}){_weights(evidence, names)}", _verdict(checks))


def _inversion(evidence: _Evidence) -> _Finding:
    table = evidence.files.table(INVERSION, ["scene", "method", "tiles_rising", "tiles_inverted"])
    checks, parts, missing = {}, [], {}
    for name in (SIF_NETWORKS[0], "dms"):
        rows = table[table["method"] == name]
        rising, inverted = int(rows["tiles_rising"].sum()), int(rows["tiles_inverted"].sum())
        if rising == 0:
            missing[LABELS[name]] = evidence.judged.reason(name) or "no tile where ASTER rises with NDVI"
            continue
        checks[LABELS[name]] = inverted / rising >= SMALLEST_INVERTED_SHARE
        parts.append(f"{LABELS[name]}: {_fixed(100 * inverted / rising, 0)} % ({inverted} of {rising} tiles)")
    plain = table[table["method"] == "bicubic"]
    if parts and int(plain["tiles_rising"].sum()):
        share = int(plain["tiles_inverted"].sum()) / int(plain["tiles_rising"].sum())
        parts.append(f"for comparison Bicubic {_fixed(100 * share, 0)} %")
    ours = "; ".join(parts) + _weights(evidence, SIF_NETWORKS[:1]) if parts else "no figure"
    return _Finding(ours, _verdict(checks, missing))


BEYOND_CHANCE = (
    f"the difference, paired over scenes, with its whole {100 * COVERAGE:g} % bootstrap interval "
    f"({thousands(RESAMPLES)} resamples, seed {SEED})"
)

_CLAIMS: list[tuple[str, str, str, str, str, Callable[[_Evidence], _Finding]]] = [
    (
        "A SIF network's 250 m LST, degraded to 1 km, gives back the LST that it came from.",
        "abstract",
        NOT_PUBLISHED,
        f"For both SIF networks the RMSE between D(product) and the input is on average at most {LARGEST_CONSISTENCY_K:g} K.",
        METRICS,
        _consistency,
    ),
    (
        "Its 250 m LST carries fine textures that follow NDVI: its spectrum is near ASTER's and above Bicubic's.",
        "abstract",
        NOT_PUBLISHED,
        f"For both SIF networks FRR is above and attenuation RMSE below Bicubic's, {BEYOND_CHANCE}.",
        METRICS,
        _textures,
    ),
    (
        "SIF-CNN-SR1 is better than Bicubic, TsHARP, ATPRK, DMS, SC-Unet and SIF-CNN-SR2 in LPIPS.",
        "abstract; figure from the evaluation notebook",
        "0.24 for scene 0",
        f"Its LPIPS is below that of each of them, {BEYOND_CHANCE}.",
        METRICS,
        _lpips,
    ),
    (
        "SIF-CNN-SR1 is better than the same methods in the Fourier metrics.",
        "abstract",
        NOT_PUBLISHED,
        "Its FRR is above, its FRO and attenuation RMSE are below and its FRU is nearer to zero than that of each of them, "
        f"{BEYOND_CHANCE}; where an interval holds zero, chance may have decided.",
        METRICS,
        _fourier,
    ),
    (
        "Scene 0, SIF-CNN-SR1: one line of nine figures.",
        "evaluation notebook",
        _listed({label: printed for label, printed in PUBLISHED_LINE.values()}),
        "Under the published protocol each figure agrees to the digits printed.",
        METRICS,
        _published_line,
    ),
    (
        f"There are {PUBLISHED_PAIRS} concomitant ASTER–MODIS pairs in tile {TILE} to evaluate on.",
        "abstract; published database",
        f"{PUBLISHED_PAIRS} pairs",
        "The list of published files names that many, that many are read, and all their centres lie in the tile.",
        SUMMARY,
        _database,
    ),
    (
        "The training curves of the three networks, and their best epochs.",
        "published logs",
        "; ".join(f"{LABELS[name]}: epoch {e} of {count}, loss {loss}" for name, (e, loss, count) in PUBLISHED_CURVES.items()),
        "In the published logs, the lowest validation loss is at that epoch and agrees to five decimals, and that many epochs "
        "were run.",
        CURVES,
        _curves,
    ),
    (
        "The three networks share one architecture and size.",
        "published checkpoints",
        f"{thousands(NETWORK_NUMBERS)} numbers in {NETWORK_TENSORS} tensors",
        "The network built here has as many of both, and at least one published checkpoint loads into it with no tensor "
        "missing or to spare.",
        PROVENANCE,
        _architecture,
    ),
    (
        "Scale invariance does not always hold: SC-Unet's texture falls short at 250 m.",
        "abstract",
        NOT_PUBLISHED,
        f"SIF-CNN-SR1's FRR is above and its attenuation RMSE below SC-Unet's, {BEYOND_CHANCE}.",
        METRICS,
        _scale_invariance,
    ),
    (
        "Where LST rises with NDVI, SIF-CNN-SR1 and DMS can draw the contrast inverted.",
        "a figure of the published code",
        NOT_PUBLISHED,
        f"For both, of the tiles of {CELL_PIXELS}×{CELL_PIXELS} pixels where ASTER's fine detail rises with NDVI, the product's "
        f"falls in at least {100 * SMALLEST_INVERTED_SHARE:g} %.",
        INVERSION,
        _inversion,
    ),
]
