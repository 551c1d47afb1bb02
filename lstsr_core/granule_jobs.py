"""Maps and patches of a whole directory of granules: the work that `batch` spreads over processes or a cluster."""

from __future__ import annotations

from pathlib import Path

from lstsr_core.batch import Job, do_all
from lstsr_core.granule_pairs import GranulePair, granule_pairs
from lstsr_core.granule_patches import PatchSettings, PatchTables, Split, collect, cut_granule, is_cut
from lstsr_core.prediction import Request, predict_granule

MAP_MEMORY_BYTES = 2_800_000_000
"""Peak of a whole tile's map (benchmarks/bench_map.py)."""

PATCHES_MEMORY_BYTES = 700_000_000
"""Peak of a whole tile's patches (benchmarks/bench_patches.py)."""


def map_path(directory: Path, pair: GranulePair) -> Path:
    """Where the map of a pair of granules lies below a directory: under the LST granule's name."""
    return directory / f"{pair.lst.stem}_250m.tif"


def map_job(granules: Path, out: Path, request: Request, product: str = "MOD21A1") -> Job:
    """A map of every LST granule below a directory that has its reflectance granule.

    Parameters
    ----------
    granules, out : Path
    request : Request
        Alike for all.
    product : {"MOD21A1", "MOD11A1"}
        Family of the LST granules.

    Raises
    ------
    InputError
        If there is no such LST granule, or the method lacks weights.
    """
    _ = request.weights_path  # refused here rather than once for each granule
    return Job(
        granules=granules, pairs=granule_pairs(granules, product, request.layer), out=out, function=predict_granule,
        settings=request, output=map_path, is_done=lambda pair: map_path(out, pair).is_file(), memory_bytes=MAP_MEMORY_BYTES,
    )  # fmt: skip


def cut_all(
    granules: Path,
    directory: Path,
    settings: PatchSettings,
    product: str,
    training_share: float,
    seed: int,
    split: Split,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
) -> PatchTables:
    """`granule_patches.update`, with many granules cut at once.

    Raises
    ------
    InputError
        As `update` and `cluster.run_all`.
    """
    pairs = granule_pairs(granules, product, settings.layer)
    missing = [pair for pair in pairs if not is_cut(pair, directory, settings)]
    directory.mkdir(parents=True, exist_ok=True)
    place = directory.resolve()
    items = {
        pair.lst.name: (pair.lst.resolve(), pair.reflectance.resolve(), place, settings)
        for pair in missing
        if pair.reflectance is not None
    }
    outcomes = do_all(cut_granule, items, directory, scheduler=scheduler, workers=workers, memory_bytes=PATCHES_MEMORY_BYTES)
    failures = {outcome.name: outcome.reason for outcome in outcomes if outcome.reason}
    return collect(directory, pairs, failures, training_share, seed, split)
