"""
Is a tumour malignant? A network that left its framework as an ONNX file; here it comes from scikit-learn.

    python examples/onnx_breast_cancer.py && cloche serve tumours
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cloche

COLUMNS = ["mean radius", "mean texture", "mean smoothness", "mean concavity", "worst perimeter"]

table, target = load_breast_cancer(return_X_y=True, as_frame=True)
x_train, x_test, y_train, y_test = train_test_split(table[COLUMNS], target, random_state=0, stratify=target)
model = make_pipeline(StandardScaler(), MLPClassifier((16,), max_iter=400, random_state=0))
model.fit(x_train.to_numpy("float32"), y_train)

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "tumours.onnx"
    onnx.save_model(to_onnx(model, x_train.to_numpy("float32")[:1]), file)
    version = cloche.save(
        file, "tumours", inputs=x_train, test=(x_test, y_test), classes=["malignant", "benign"], quiet=True
    )

answer = cloche.load("tumours").predict(x_test.head(3))
print(version.engine)
print(answer.prediction)
