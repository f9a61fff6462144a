"""
A logit of statsmodels with a formula, on Fair's survey of extramarital affairs (1978; 6,366 answers, shipped with
statsmodels): saved as data, opened and asked.

    python statsmodels_glm.py
"""

from __future__ import annotations

import numpy as np  # noqa: F401  (the formula names it)
import statsmodels.api as sm
import statsmodels.formula.api as smf

import cloche

FORMULA = "affair ~ C(religious, Treatment(4)) + center(age) + np.log(yrs_married) + children + rate_marriage:educ"


def main() -> None:
    """Fit, save, ask."""
    table = sm.datasets.fair.load_pandas().data
    table["affair"] = (table.pop("affairs") > 0).astype(int)
    train, test = table.iloc[::2], table.iloc[1::2]
    results = smf.logit(FORMULA, train).fit(disp=False)
    fields = [column for column in table if column != "affair"]
    version = cloche.save(
        results,
        "affairs",
        inputs=train[fields],
        targets=train["affair"],
        test=(test[fields], test["affair"]),
        classes=["none", "some"],
        description="Whether a reader of Redbook reported an affair (Fair, 1978).",
    )
    model = cloche.load("affairs")
    row = test[fields].iloc[0].to_dict()
    share = float(results.predict(test.iloc[[0]]).iloc[0])
    answer = model.predict(row)
    print(
        f"version {version.version}: {answer.prediction}, {answer.probabilities['some']:.6f} (statsmodels: {share:.6f})"
    )


if __name__ == "__main__":
    main()
