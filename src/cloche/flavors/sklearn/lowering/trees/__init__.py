"""Decision trees and their ensembles, from scikit-learn's node arrays to the twin's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloche.flavors.sklearn.lowering.flow import Flow
from cloche.flavors.sklearn.lowering.head import Head
from cloche.flavors.sklearn.lowering.trees import boosting, forests

PREDICTORS: dict[type, Callable[[Any, Flow], Head]] = {**forests.PREDICTORS, **boosting.PREDICTORS}
