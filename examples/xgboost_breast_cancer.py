"""Is a tumour malignant? XGBoost with early stopping on the Wisconsin table; saved, opened, asked."""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

import cloche

table, target = load_breast_cancer(return_X_y=True, as_frame=True)
columns = ["mean radius", "mean texture", "mean concavity", "worst area", "worst smoothness"]
x_train, x_test, y_train, y_test = train_test_split(table[columns], target, random_state=0, stratify=target)
x_fit, x_stop, y_fit, y_stop = train_test_split(x_train, y_train, random_state=0, stratify=y_train)

model = XGBClassifier(n_estimators=300, learning_rate=0.1, max_depth=3, early_stopping_rounds=10)
model.fit(x_fit, y_fit, eval_set=[(x_stop, y_stop)], verbose=False)

version = cloche.save(
    model, "tumours", inputs=x_train, targets=y_train, test=(x_test, y_test), classes=["malignant", "benign"]
)
answer = cloche.load("tumours").predict(x_test.head(3))
print(version.engine)
print(answer.prediction)
