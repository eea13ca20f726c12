"""How values become JSON and come back: one shape for each annotation."""

from jobyard.model.shapes.annotations import shape_of
from jobyard.model.shapes.shape import Mismatch, Shape, short
from jobyard.model.shapes.tagged import ANY

__all__ = ["ANY", "Mismatch", "Shape", "shape_of", "short"]
