"""Drawings of boxes with texts, as a reader needs them."""

from __future__ import annotations

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text


def texts(figure: Figure) -> list[Text]:
    return [text for text in figure.axes[0].texts if text.get_text()]


def assert_no_text_touches_another(figure: Figure) -> None:
    """Nor leaves the page, or the box in which it begins."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    extents = {text: text.get_window_extent(renderer) for text in texts(figure)}
    for one, other in combinations(extents, 2):
        assert not extents[one].overlaps(extents[other]), (one.get_text(), other.get_text())
    boxes = [
        box.get_window_extent(renderer) for box in figure.axes[0].patches if isinstance(box, FancyBboxPatch)
    ]
    for text, extent in extents.items():
        assert figure.bbox.x0 <= extent.x0 and extent.x1 <= figure.bbox.x1, text.get_text()
        assert figure.bbox.y0 <= extent.y0 and extent.y1 <= figure.bbox.y1, text.get_text()
        for box in boxes:
            inside = (
                box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0 and extent.y1 <= box.y1
            )
            assert inside or not box.overlaps(extent), text.get_text()
