"""A layer of somebody's own package."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_layers")
class Doubled(keras.layers.Layer):
    """Twice its input."""

    def call(self, x: Any) -> Any:
        return x * 2.0
