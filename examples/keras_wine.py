"""
Which cultivar is a wine from? A Keras network on scikit-learn's wines; its ONNX form answers, without TensorFlow.

    python examples/keras_wine.py && cloche serve wine
"""

from __future__ import annotations

import json

import keras
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

import cloche

COLUMNS = ["alcohol", "malic_acid", "flavanoids", "color_intensity", "proline"]
CULTIVARS = ["barolo", "grignolino", "barbera"]


def main() -> None:
    keras.utils.set_random_seed(7)
    table, target = load_wine(return_X_y=True, as_frame=True)
    x_train, x_test, y_train, y_test = train_test_split(table[COLUMNS], target, random_state=0, stratify=target)

    scale = keras.layers.Normalization()
    scale.adapt(x_train.to_numpy())
    model = keras.Sequential(
        [
            keras.Input((len(COLUMNS),)),
            scale,
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x_train.to_numpy(), y_train.to_numpy(), epochs=60, verbose=0)

    version = cloche.save(
        model, "wine", inputs=x_train, targets=y_train, test=(x_test, y_test), classes=CULTIVARS, quiet=True
    )
    print(version)
    first = x_test.head(1)
    print(json.dumps(first.to_dict("records")[0]))
    print(json.dumps(model(first.to_numpy(), training=False).numpy()[0].tolist()))


if __name__ == "__main__":
    main()
