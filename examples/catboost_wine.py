"""Which cultivar is a wine from? CatBoost on scikit-learn's wines; trees of numbers alone have a twin too."""

from __future__ import annotations

from catboost import CatBoostClassifier
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

import cloche

table, target = load_wine(return_X_y=True, as_frame=True)
columns = ["alcohol", "malic_acid", "flavanoids", "color_intensity", "proline"]
x_train, x_test, y_train, y_test = train_test_split(table[columns], target, random_state=0, stratify=target)

model = CatBoostClassifier(iterations=120, depth=4, verbose=False, allow_writing_files=False).fit(x_train, y_train)

version = cloche.save(
    model, "wines", inputs=x_train, targets=y_train, test=(x_test, y_test), classes=["barolo", "grignolino", "barbera"]
)
answer = cloche.load("wines").predict(x_test.head(3))
print(version.engine)
print(answer.prediction)
