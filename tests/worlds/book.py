"""Everything that a small book is made from."""

import base64
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lstsr_book.build import NOTEBOOKS
from lstsr_core.figures.files import SUFFIXES, show
from worlds.atlas import write_atlas_results
from worlds.claims import FIGURES, make_run, metrics_rows, missing_rows

PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000"
        "000049454e44ae426082"
    )
).decode()


def notebook(title: str, alt: str = "One grey pixel.", **metadata: Any) -> dict[str, Any]:
    """One with a figure cell; `metadata` is the figure's, over a name, a caption and a table."""
    described = {
        "figure": f"figure_{title[-2:]}",
        "caption": "What to see: *grey*, R².",
        "data": ["numbers.csv"],
    } | metadata
    figure = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": PIXEL, "text/plain": ["<Image>"]},
    }
    code = {
        "cell_type": "code", "id": "figure", "execution_count": 1, "source": "show()", "outputs": [figure],
        "metadata": {"mystnb": {"image": {"alt": alt}}, "lstsr": described, "papermill": {"duration": 1.5}},
    }  # fmt: skip
    parameters = {
        "cell_type": "code", "id": "parameters", "execution_count": 1, "source": "seed = 1", "outputs": [],
        "metadata": {"tags": ["parameters"]},
    }  # fmt: skip
    frame = pd.DataFrame({"rmse_k": [2.0]}, index=pd.Index(["bicubic"], name="method"))
    table = {
        "cell_type": "code", "id": "table", "execution_count": 2, "source": "table", "metadata": {},
        "outputs": [{"output_type": "execute_result", "execution_count": 2, "metadata": {},
                     "data": {"text/html": frame.to_html()}}],
    }  # fmt: skip
    heading = {
        "cell_type": "markdown",
        "id": "title",
        "metadata": {},
        "source": [f"# {title}\n", "\n", "What it does."],
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "nbformat": 4, "nbformat_minor": 5, "cells": [heading, parameters, code, table],
        "metadata": {"kernelspec": kernel, "papermill": {"a": 1}},
    }  # fmt: skip


def make_book_run(run: Path, synthetic: bool = True) -> Path:
    """Everything that a book is made from, the notebooks with one figure each."""
    rows = metrics_rows(
        {name: FIGURES[name] for name in ("bicubic", "tsharp", "sif-cnn-sr1")}
    ) + missing_rows("sc-unet")
    make_run(run, synthetic=synthetic, rows=rows, pairs=4)
    pairs = pd.read_csv(run / "01_download" / "pairs.csv")
    offsets = {"ndvi_rows_down": [0, 1, 1, 3], "ndvi_columns_right": [0, 2, 2, 1]}
    landscape = {
        "lst_mean_k": [300.0, 301.0, 302.0, 303.0],
        "lst_attenuation_low_db": [-20.0, -21.0, -22.0, -23.0],
    }
    pairs.assign(**offsets, **landscape).to_csv(run / "01_download" / "pairs.csv", index=False)
    for name in NOTEBOOKS:
        (run / name).mkdir(exist_ok=True)
    pd.DataFrame({"patch": ["a", "b"]}).to_csv(run / "02_patches" / "patches.csv", index=False)
    statistics = {"lst_mean_k": 303.25, "lst_std_k": 8.05, "ndvi_mean": 0.64, "ndvi_std": 0.16}
    (run / "02_patches" / "statistics.json").write_text(json.dumps(statistics))
    for name in ("04_sharpening/products.csv", "05_fourier/spectra.csv"):
        (run / name).write_text("scene,method\n0,bicubic\n")
    summary = {
        "protocol": "georeferenced",
        "method": "tsharp",
        "metric": "rmse_k",
        "scenes": 4,
        "mean": 2.2285,
        "std": 0.5,
    }
    quantiles = {"p10": 1.5, "q1": 1.8, "median": 2.2, "q3": 2.6, "p90": 3.0}
    pd.DataFrame([summary | quantiles]).to_csv(run / "06_aster_evaluation" / "summary.csv", index=False)
    write_findings(run / "08_findings")
    write_atlas_results(run)
    (run / "notebooks").mkdir()
    records = json.loads((run / "provenance.json").read_text())
    for name in NOTEBOOKS:
        (run / "notebooks" / f"{name}.ipynb").write_text(json.dumps(notebook(f"Notebook {name[:2]}")))
        write_figure(run / name, f"figure_{name[:2]}")
        records[name] = {
            "inputs": {"01_download/pairs.csv": "ab" * 32}, "parameters": {"methods": ["all"]},
            **records.get(name, {}), "git_revision": "0123456789abcdef", "versions": {"numpy": "2.4.6"},
            "seconds": 3.2, "seed": 42,
        }  # fmt: skip
    (run / "provenance.json").write_text(json.dumps(records))
    return run


@cache
def figure_files() -> dict[str, bytes]:
    figure = Figure(figsize=(3.6, 2.0))
    figure.add_subplot().plot([0, 1], [1, 0])
    with tempfile.TemporaryDirectory() as directory:
        show(figure, Path(directory), "figure")
        return {suffix: (Path(directory) / f"figure{suffix}").read_bytes() for suffix in SUFFIXES}


def write_figure(directory: Path, name: str) -> None:
    """What a notebook's cell with a figure leaves."""
    for suffix, content in figure_files().items():
        (directory / f"{name}{suffix}").write_bytes(content)
    (directory / "numbers.csv").write_text("x,y\n0,1\n1,0\n")


def change(
    method: str, metric: str, first: float, second: float, sign: int, **keys: str
) -> dict[str, object]:
    difference = second - first
    figures = {
        "first": first,
        "second": second,
        "difference": difference,
        "low": difference - 0.05,
        "high": difference + 0.05,
    }
    return {**keys, "method": method, "metric": metric, "scenes": 4, **figures, "sign": sign}


def write_findings(directory: Path) -> None:
    """What 08_findings leaves: TsHARP gains by aligning, bicubic's change may be chance."""
    placed = [
        {"scene": scene, "method": method, "placement": placement, "rows_down": scene, "columns_right": 0,
         "status": "ok", "r_squared": r_squared, "slope_k_per_ndvi": -20.0,
         "rmse_k": 2.0 + (0.25 * scene if placement == "as paired" else 0.0)}
        for scene in (0, 1, 3) for method in ("bicubic", "tsharp")
        for placement, r_squared in (("as paired", 0.52), ("aligned", 0.65))
    ]  # fmt: skip
    gains = [change("tsharp", "rmse_k", 2.4, 2.2, -1), change("bicubic", "rmse_k", 2.1, 2.09, 0)]
    varied = {
        "gssim": 0.2, "gssim_published": 0.25, "frr": 0.9, "frr_published": 0.9,
        "attenuation_rmse_db": 2.0, "attenuation_rmse_published_db": 2.0,
    }  # fmt: skip
    variants = [
        {
            "scene": 0,
            "protocol": "georeferenced",
            "method": "tsharp",
            "variant": "default",
            "status": "ok",
            **varied,
        }
    ]
    projected = [
        {
            "scene": 0,
            "method": method,
            "step": step,
            "status": "ok",
            "rmse_k": rmse_k + step,
            "frr": frr,
            "consistency_k": 0.5,
        }
        for method, rmse_k, frr in (("bicubic", 2.0, 0.0), ("tsharp", 2.2, 0.9), ("dms", 2.1, 0.8))
        for step in range(3)
    ]
    tables = {
        "misregistration": placed, "misregistration_gains": gains, "variants": variants,
        "variant_differences": [change("tsharp", "rmse_k", 2.2, 2.3, 1, protocol="georeferenced")],
        "back_projection": projected,
        "back_projection_costs": [change("tsharp", "consistency_k", 0.7, 0.2, -1)],
    }  # fmt: skip
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(directory / f"{name}.csv", index=False)
