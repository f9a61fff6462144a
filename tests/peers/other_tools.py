"""
MLflow and vetiver themselves, in an environment of their own: `python other_tools.py serve | call …`.

Nothing of cloche is imported here. `serve FOLDER MLFLOW_PORT VETIVER_PORT` fits a model, has both tools save it below
FOLDER and serve it, and prints `ready`; `call MLFLOW_PORT PREDICT_URL ROWS FOLDER` asks other servers with both tools'
own clients, opens FOLDER with MLflow, and prints what came as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")


def fit():
    """A table as people have them, and two pipelines that answer it differently."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    draws = np.random.default_rng(0)
    n = 400
    table = pd.DataFrame(
        {
            "age": draws.integers(18, 90, n).astype(float),
            "income": draws.normal(30_000, 9_000, n).round(2),
            "city": draws.choice(["Delhi", "Lima", "Oslo"], n),
        }
    )
    labels = np.where(table.age * 300 + table.income + (table.city == "Oslo") * 9_000 > 48_000, "yes", "no")
    columns = make_column_transformer(
        (StandardScaler(), ["age", "income"]), (OneHotEncoder(handle_unknown="ignore"), ["city"])
    )
    first = make_pipeline(columns, LogisticRegression()).fit(table, labels)
    other = make_pipeline(columns, RandomForestClassifier(5, random_state=0)).fit(table, labels)
    return table, first, other


def serve(folder: Path, mlflow_port: int, vetiver_port: int) -> None:
    """Both tools' own folders and servers."""
    import mlflow
    import pins
    import uvicorn
    import vetiver
    from mlflow.models import infer_signature
    from mlflow.pyfunc import scoring_server

    table, model, other = fit()
    rows = pd.concat([table.head(80), table.head(2).assign(city="Rome")])
    rows.to_csv(folder / "rows.csv", index=False)
    signature = infer_signature(table, model.predict(table))
    for kind in ("skops", "pickle"):
        mlflow.sklearn.save_model(model, str(folder / f"mlflow-{kind}"), signature=signature, serialization_format=kind)
    board = pins.board_folder(str(folder / "board"), allow_pickle_read=True)
    pinned = vetiver.VetiverModel(model, "loans", prototype_data=table)
    for one in (pinned, vetiver.VetiverModel(other, "others", prototype_data=table)):
        vetiver.vetiver_pin_write(board, one)
    loaded = mlflow.pyfunc.load_model(str(folder / "mlflow-skops"))
    apps = ((scoring_server.init(loaded), mlflow_port), (vetiver.VetiverAPI(pinned).app, vetiver_port))
    servers = [uvicorn.Server(uvicorn.Config(app, port=port, log_level="error")) for app, port in apps]
    for server in servers:
        threading.Thread(target=server.run, daemon=True).start()
    while not all(server.started for server in servers):
        time.sleep(0.05)
    print("ready", flush=True)
    sys.stdin.read()


def call(mlflow_port: int, predict_url: str, rows: Path, exported: Path) -> None:
    """The tools' own clients at other servers, and MLflow's own reader."""
    import mlflow
    import vetiver
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    table = pd.read_csv(rows).head(60)
    client = ScoringServerClient("127.0.0.1", mlflow_port)
    client.wait_server_ready(30)
    found = {
        "version": client.get_version(),
        "mlflow": client.invoke(table).get_predictions().iloc[:, 0].tolist(),
        "vetiver": vetiver.predict(endpoint=predict_url, data=table)["prediction"].tolist(),
        "exported": list(mlflow.pyfunc.load_model(str(exported)).predict(table)),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    command, *given = sys.argv[1:]
    if command == "serve":
        serve(Path(given[0]), int(given[1]), int(given[2]))
    else:
        call(int(given[0]), given[1], Path(given[2]), Path(given[3]))
