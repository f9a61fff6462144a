"""How far does diabetes progress in a year? LightGBM with a pandas category; its twin answers without LightGBM."""

from __future__ import annotations

from lightgbm import LGBMRegressor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

import cloche

table, target = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
table["sex"] = table["sex"].map({1.0: "female", 2.0: "male"}).astype("category")
x_train, x_test, y_train, y_test = train_test_split(table, target, random_state=0)

model = LGBMRegressor(n_estimators=120, num_leaves=12, learning_rate=0.05, verbose=-1).fit(x_train, y_train)

version = cloche.save(model, "progression", inputs=x_train, targets=y_train, test=(x_test, y_test))
answer = cloche.load("progression").predict(x_test.head(3))
print(version.engine)
print(answer.prediction)
