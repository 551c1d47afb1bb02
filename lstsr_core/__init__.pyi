# The types of the names that __init__.py loads when they are first used. Not imports under TYPE_CHECKING
# there: whatever reads the imports of the package would hold that its top imports all of it.
from lstsr_core.evaluation.table import evaluate as evaluate
from lstsr_core.maps.dataset import sharpen as sharpen
from lstsr_core.maps.predict import predict as predict
from lstsr_core.maps.stack import open_maps as open_maps
from lstsr_core.modis.dataset import open_granule as open_granule

__all__ = ["evaluate", "open_granule", "open_maps", "predict", "sharpen"]
