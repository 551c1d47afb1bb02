"""The numbers of a scene for the book's viewer: a script that a page loads, small and exact to half a step.

One file a scene sets ``window.lstsrScenes["<scene>"]``. Each product is a base64 string of a
raw deflate stream of little-endian uint16, row by row from the north, each row as its first
value and then the differences from the left neighbour modulo 65536; 0 stands for no value, else
LST in kelvin is ``base_k + step_k * (value - 1)``.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping

import numpy as np

from lstsr_core.base.errors import InputError
from lstsr_core.geo.raster import FloatArray, Raster

STEP_K = 0.1
"""What ASTER's own LST is stored in; half of it is far below what either instrument can tell."""

_LARGEST = 2**16 - 1


def scene_script(scene: str, products: Mapping[str, Raster], labels: Mapping[str, str]) -> str:
    """The script of a scene.

    Parameters
    ----------
    scene : str
    products : mapping of str to Raster
        Kelvin, all of one shape, in the order in which they are offered; NaN is no value.
    labels : mapping of str to str
        What readers see for each product.

    Raises
    ------
    InputError
        If there is no value at all, shapes differ, or the values span more than 65534 steps.
    """
    rasters = list(products.values())
    shapes = {raster.values.shape for raster in rasters}
    if len(shapes) != 1:
        raise InputError(
            f"scene {scene}: products of shapes {sorted(shapes)}; expected one shape, on one grid."
        )
    stack = np.stack([raster.values for raster in rasters])
    if not np.isfinite(stack).any():
        raise InputError(f"scene {scene}: no product holds a value; expected kelvin.")
    # From a whole kelvin, so that ASTER's tenths stay what they are.
    base_k = math.floor(float(np.nanmin(stack)))
    if (float(np.nanmax(stack)) - base_k) / STEP_K > _LARGEST - 1:
        raise InputError(
            f"scene {scene}: LST up to {np.nanmax(stack):g} K above {base_k} K; expected at most {_LARGEST}"
            " steps."
        )
    low_k, high_k = np.nanpercentile(stack, [1.0, 99.0])
    content = {
        "scene": scene,
        "rows": stack.shape[1],
        "columns": stack.shape[2],
        "pixel_m": round(rasters[0].pixel_width_m, 3),
        "step_k": STEP_K,
        "base_k": base_k,
        "limits_k": [round(float(low_k), 2), round(float(high_k), 2)],
        "products": [
            {"name": name, "label": labels[name], "data": _packed(raster.values, base_k)}
            for name, raster in products.items()
        ],
    }
    literal = json.dumps(content, ensure_ascii=False)
    return (
        f"window.lstsrScenes = window.lstsrScenes || {{}};\nwindow.lstsrScenes[{json.dumps(scene)}] ="
        f" {literal};\n"
    )


def _packed(lst_k: FloatArray, base_k: float) -> str:
    steps = np.rint((lst_k - base_k) / STEP_K) + 1.0
    coded = np.nan_to_num(steps, nan=0.0).astype("<u2")
    coded[:, 1:] -= coded[:, :-1].copy()  # modulo 65536, as uint16 does
    packer = zlib.compressobj(level=9, wbits=-15)
    return base64.b64encode(packer.compress(coded.tobytes()) + packer.flush()).decode("ascii")
