"""What 08_findings does: misplaced pairs, variants of methods, distortion against texture."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from IPython.display import Image

from lstsr_core.evaluation import side_studies
from lstsr_core.evaluation.protocols import Georeferenced
from lstsr_core.evaluation.statistics import difference_of_states
from lstsr_core.figures import panels
from lstsr_core.stages.common import Choice, choice_of, pairs_of, write_csv
from lstsr_core.stages.parameters import Findings


def _choice(settings: Findings, protocols: Sequence[str]) -> Choice:
    # Products as paired and of the other variant are made here, with the weights of those that were read.
    choice = choice_of(settings, protocols)
    choice.products.check_weights()
    return choice


def place_both_ways(settings: Findings) -> pd.DataFrame:
    """Write ``misregistration.csv``: each scene and method
    with the pair as the database has it, and aligned."""
    rows: list[dict[str, object]] = []
    choice = _choice(settings, [Georeferenced.name])
    for pair in pairs_of(settings, choice.pairs):
        rows += side_studies.place_both_ways(pair, choice.methods, choice.products)
    columns = [
        "scene",
        "method",
        "placement",
        "rows_down",
        "columns_right",
        "r_squared",
        "slope_k_per_ndvi",
        "status",
    ]
    columns += side_studies.COMPARED
    return write_csv(settings, "misregistration.csv", pd.DataFrame(rows, columns=columns))


def gains(settings: Findings, placed: pd.DataFrame) -> pd.DataFrame:
    """Write ``misregistration_gains.csv``: what each method gains
    when placed rightly, with intervals over scenes."""
    table = difference_of_states(placed, "placement", "as paired", "aligned", side_studies.COMPARED)
    return by_label(write_csv(settings, "misregistration_gains.csv", table))


def vary(settings: Findings) -> pd.DataFrame:
    """Write ``variants.csv`` and ``variant_differences.csv``: default and published variants of methods."""
    rows: list[dict[str, object]] = []
    choice = _choice(settings, settings.protocols)
    for pair in pairs_of(settings, choice.pairs):
        rows += side_studies.vary(pair, choice.methods, settings.protocols, choice.products)
    columns = [
        "scene",
        "protocol",
        "method",
        "variant",
        "status",
        *side_studies.COMPARED,
        *side_studies.AS_PUBLISHED,
    ]
    table = write_csv(settings, "variants.csv", pd.DataFrame(rows, columns=columns))
    changed = difference_of_states(
        table, "variant", "default", "published", side_studies.COMPARED, ["protocol", "method"]
    )
    return by_label(write_csv(settings, "variant_differences.csv", changed))


def back_project(settings: Findings) -> pd.DataFrame:
    """Write ``back_projection.csv``: consistency, RMSE and FRR of each product after every step."""
    rows: list[dict[str, object]] = []
    choice = choice_of(settings, [Georeferenced.name])
    for pair in pairs_of(settings, choice.pairs):
        rows += side_studies.back_project(pair, choice.methods, choice.products, settings.steps)
    columns = ["scene", "method", "step", "status", "consistency_k", *side_studies.COMPARED]
    return write_csv(settings, "back_projection.csv", pd.DataFrame(rows, columns=columns))


def costs(settings: Findings, projected: pd.DataFrame) -> pd.DataFrame:
    """Write ``back_projection_costs.csv``: the last step against none, with intervals over scenes."""
    metrics = ["consistency_k", *side_studies.COMPARED]
    table = difference_of_states(projected, "step", 0, settings.steps, metrics)
    return by_label(write_csv(settings, "back_projection_costs.csv", table))


def by_label(table: pd.DataFrame) -> pd.DataFrame:
    """A table of differences to show, by the methods' labels."""
    return (
        table.assign(method=[panels.label(name) for name in table["method"]])
        .set_index("method")
        .rename_axis(None)
    )


def show_offsets(settings: Findings, placed: pd.DataFrame) -> Image:
    """How far apart the patches' origins are, and what each scene gains from placing them rightly."""
    return panels.show(panels.offsets(placed), settings.directory, "offsets")


def show_distortion(settings: Findings, projected: pd.DataFrame) -> Image:
    """RMSE against FRR: each method, and the way that back-projection takes it."""
    return panels.show(panels.distortion(projected), settings.directory, "distortion")
