"""The published protocol's warp against a warp of the whole
tile for each product, and TsHARP on a whole tile."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio.warp
from bench_dms import fractal
from pytest_benchmark.fixture import BenchmarkFixture
from rasterio.crs import CRS

from lstsr_core.evaluation.tile_warp import GDAL_CHUNK_MB, TileWarp, tile_warp, weigh
from lstsr_core.geo.grid import FINE_PIXEL_M, SINUSOIDAL, TILE_FINE_PIXELS, Tile
from lstsr_core.sharpening.methods import Options, tsharp

TILE, UTM_31N = Tile(18, 4), CRS.from_epsg(32631)
FIRST_ROW, FIRST_COLUMN, SIZE, PRODUCTS = 2000, 1300, 256, 8
GROUP = "published protocol, warp of 8 products"


@pytest.fixture(scope="module")
def products() -> np.ndarray:
    return 300.0 + np.random.default_rng(0).standard_normal((PRODUCTS, SIZE, SIZE))


@pytest.fixture(scope="module")
def learnt() -> TileWarp:
    return tile_warp(TILE, UTM_31N)


def window(warp: TileWarp) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the warped grid that the patch comes to lie in."""
    left_m, top_m = TILE.left_m + FIRST_COLUMN * FINE_PIXEL_M, TILE.top_m - FIRST_ROW * FINE_PIXEL_M
    side_m = SIZE * FINE_PIXEL_M
    bounds_m = rasterio.warp.transform_bounds(
        SINUSOIDAL, warp.crs, left_m, top_m - side_m, left_m + side_m, top_m
    )
    first_column, first_row = (int(value) for value in ~warp.transform @ (bounds_m[0], bounds_m[3]))
    last_column, last_row = (int(value) + 1 for value in ~warp.transform @ (bounds_m[2], bounds_m[1]))
    return np.arange(first_row, last_row), np.arange(first_column, last_column)


def learnt_warp(products: np.ndarray, warp: TileWarp) -> np.ndarray:
    rows, columns = window(warp)
    return weigh(
        products, warp.rows.taps(rows, columns, FIRST_ROW), warp.columns.taps(rows, columns, FIRST_COLUMN)
    )


def whole_tiles(products: np.ndarray, warp: TileWarp) -> np.ndarray:
    rows, columns = window(warp)
    warped = []
    for product in products:
        tile = np.zeros((TILE_FINE_PIXELS, TILE_FINE_PIXELS), np.float32)
        tile[FIRST_ROW : FIRST_ROW + SIZE, FIRST_COLUMN : FIRST_COLUMN + SIZE] = product
        target = np.zeros(warp.rows.position.shape, np.float32)
        rasterio.warp.reproject(
            tile, target, src_transform=TILE.transform(FINE_PIXEL_M), src_crs=SINUSOIDAL,
            dst_transform=warp.transform, dst_crs=warp.crs, resampling=rasterio.warp.Resampling.bilinear,
            warp_mem_limit=GDAL_CHUNK_MB,
        )  # fmt: skip
        warped.append(target[np.ix_(rows, columns)])
    return np.stack(warped)


@pytest.mark.benchmark(group=GROUP)
def test_learnt_warp(benchmark: BenchmarkFixture, products: np.ndarray, learnt: TileWarp) -> None:
    benchmark(learnt_warp, products, learnt)


@pytest.mark.benchmark(group=GROUP)
def test_whole_tiles(benchmark: BenchmarkFixture, products: np.ndarray, learnt: TileWarp) -> None:
    direct = benchmark.pedantic(whole_tiles, (products, learnt), rounds=1)
    np.testing.assert_allclose(learnt_warp(products, learnt), direct, rtol=0, atol=1e-3)


@pytest.mark.benchmark(group="published protocol, learning a tile's warp")
def test_learning(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(tile_warp.__wrapped__, (TILE, UTM_31N), rounds=1)


@pytest.mark.benchmark(group="TsHARP, 1200×1200")
def test_tsharp_on_a_tile(benchmark: BenchmarkFixture) -> None:
    ndvi = 0.5 + 0.15 * fractal(4800, 1.5, np.random.default_rng(1))
    lst_k = 310.0 - 12.0 * ndvi.reshape(1200, 4, 1200, 4).mean(axis=(1, 3))
    benchmark.pedantic(tsharp, (lst_k, ndvi, Options()), rounds=3)
