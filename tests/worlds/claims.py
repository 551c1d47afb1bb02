"""A run's result files with figures that are worked out by hand, for claims and pages to be judged on."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lstsr_book.claim_rules import PUBLISHED_CURVES
from lstsr_core.evaluation.table import COLUMNS
from lstsr_core.networks.weights_files import PUBLISHED_CHECKPOINTS

CHECKPOINT_DIGESTS = {method: f"{index}" * 64 for index, method in enumerate(PUBLISHED_CHECKPOINTS, start=1)}


FIGURES = {
    "bicubic": {"consistency_k": 0.7, "frr": 0.0, "fro": 0.0, "fru": 0.0, "attenuation_rmse_db": 6.0},
    "tsharp": {"consistency_k": 0.7, "frr": 0.93, "fro": 0.02, "fru": 0.0, "attenuation_rmse_db": 2.0},
    "sc-unet": {"consistency_k": 0.7, "frr": 0.5, "fro": 0.0, "fru": 0.0, "attenuation_rmse_db": 2.8},
    "sif-cnn-sr1": {"consistency_k": 0.65, "frr": 0.96, "fro": 0.016, "fru": 0.0, "attenuation_rmse_db": 1.0},
    "sif-cnn-sr2": {"consistency_k": 0.75, "frr": 0.75, "fro": 0.005, "fru": 0.0, "attenuation_rmse_db": 1.8},
}


def metrics_rows(
    figures: dict[str, dict[str, float]], scenes: tuple[str, ...] = ("0", "57")
) -> list[dict[str, object]]:
    """A row for each scene and method; the first scene lies `step` below, the last above."""
    rows: list[dict[str, object]] = []
    plain = {
        "psnr_db": 21.0,
        "ssim": 0.5,
        "rmse_k": 2.0,
        "bias_k": -0.5,
        "correlation": 0.85,
        "gssim": 0.2,
        "rmse_gradient": 9.0,
    }
    for number, scene in enumerate(scenes):
        for method, values in figures.items():
            step = 0.01 * (number - (len(scenes) - 1) / 2)
            moved = {name: value + step if value else value for name, value in (plain | values).items()}
            rows.append(
                {"scene": scene, "method": method, "protocol": "georeferenced", **moved, "status": "ok"}
            )
    return rows


def missing_rows(
    method: str, status: str = "weights missing", scenes: tuple[str, ...] = ("0", "57")
) -> list[dict[str, object]]:
    return [
        {"scene": scene, "method": method, "protocol": "georeferenced", "status": status} for scene in scenes
    ]


def make_run(
    run: Path,
    synthetic: bool = False,
    rows: list[dict[str, object]] | None = None,
    inversion: list[tuple[str, str, int, int]] | None = None,
    pairs: int = 83,
) -> Path:
    """The result files that claims are judged from."""
    for name in ("01_download", "03_training", "06_aster_evaluation"):
        (run / name).mkdir(parents=True)
    source = "sample" if synthetic else "published"
    summary = {"source": source, "synthetic": synthetic, "pairs": pairs, "pairs_published": 83}
    (run / "01_download" / "summary.json").write_text(json.dumps(summary))
    places = {"scene": [str(i) for i in range(pairs)], "longitude": 5.0, "latitude": 45.0}
    pd.DataFrame(places).to_csv(run / "01_download" / "pairs.csv", index=False)
    curves = []
    for model, (epoch, loss, count) in PUBLISHED_CURVES.items():
        epochs = np.arange(1, count + 1)
        losses = np.where(epochs == epoch, float(loss), float(loss) + 0.001)
        curves.append(
            pd.DataFrame({"model": model, "source": "published", "epoch": epochs, "val_loss": losses})
        )
    pd.concat(curves).to_csv(run / "03_training" / "curves.csv", index=False)
    evaluated = run / "06_aster_evaluation"
    pd.DataFrame(metrics_rows(FIGURES) if rows is None else rows, columns=COLUMNS).to_csv(
        evaluated / "metrics.csv", index=False
    )
    counts = [("0", "sif-cnn-sr1", 6, 1), ("57", "sif-cnn-sr1", 4, 1)] if inversion is None else inversion
    pd.DataFrame(counts, columns=["scene", "method", "tiles_rising", "tiles_inverted"]).to_csv(
        evaluated / "inversion.csv", index=False
    )
    weights = {
        f"01_download/weights/{PUBLISHED_CHECKPOINTS[m]}": digest for m, digest in CHECKPOINT_DIGESTS.items()
    }
    record = {"parameters": {"weights_directory": "01_download/weights"}, "inputs": weights}
    (run / "provenance.json").write_text(json.dumps({"04_sharpening": record}))
    return run
