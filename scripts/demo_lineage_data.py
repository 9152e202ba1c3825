"""What `scripts/demo-lineage` has MLflow itself do: a team trains and registers, each of two teams goes on, somebody logs secrets, production predicts.

usage: python demo_lineage_data.py train URI | go-on URI TEAM | leak URI | predict URI MODEL | ids URI

URI is a file store or a server; each prints one JSON document.
"""

import json
import os
import sys
import tempfile

import mlflow
import pandas
from mlflow import MlflowClient

EXPERIMENT, MODEL = "fraud", "scorer"
SAMPLE = pandas.DataFrame({"amount": [0.5, 2.0, 8.0], "age": [1.0, 30.0, 4.0]})
# Made up, in the shapes that `mlark scan` knows; cut in two, so that no scan of this repository finds them.
SECRETS = {
    "tag": "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345",
    "param": "postgresql://scorer:" + "Tr0ub4dor-and-3" + "@db.example.org/features",
    "artifact": "AKIA" + "QYLPMN5HXWTZ2R7B",
}


class Scorer(mlflow.pyfunc.PythonModel):
    """A model whose weights are a file, so that it predicts only where its artifacts arrived."""

    def load_context(self, context):
        with open(context.artifacts["weights"], encoding="utf-8") as file:
            self.weights = json.load(file)

    def predict(self, context, model_input: pandas.DataFrame, params=None):
        return (model_input * pandas.Series(self.weights)).sum(axis=1)


def train(name, weights, register=True, **tags):
    """A run with params, points, a dataset, a file and a model; its version, where it is registered."""
    with mlflow.start_run(run_name=name, tags=tags) as run, tempfile.TemporaryDirectory() as folder:
        mlflow.log_params({f"weight.{key}": value for key, value in weights.items()})
        for step in range(5):
            mlflow.log_metric("auc", 0.5 + weights["age"] * step / 10, step=step)
        mlflow.log_input(mlflow.data.from_pandas(SAMPLE, name="transactions"), context="training")
        mlflow.log_text(f"trained as {name}\n", "notes.txt")
        path = os.path.join(folder, "weights.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(weights, file)
        mlflow.pyfunc.log_model(name="model", python_model=Scorer(), artifacts={"weights": path}, input_example=None,
                                pip_requirements=[f"mlflow=={mlflow.__version__}"], registered_model_name=MODEL if register else None)
        return run.info.run_id


def newest(client):
    return max(int(version.version) for version in client.search_model_versions(f"name = '{MODEL}'"))


def fill(client):
    mlflow.set_experiment(EXPERIMENT)
    runs = [train("baseline", {"amount": 1.0, "age": 0.25}), train("tuned", {"amount": 3.0, "age": 0.5})]
    client.set_registered_model_alias(MODEL, "champion", str(newest(client)))
    client.set_registered_model_tag(MODEL, "owner", "fraud team")
    with mlflow.start_run(run_name="thrown away"):
        mlflow.log_param("weight.age", 9)
    return {"runs": runs, "version": newest(client)}


def go_on(client, team):
    """What a team does with history that it was given: it changes a run and trains another, as others do with the same history."""
    mlflow.set_experiment(EXPERIMENT)
    [tuned] = mlflow.search_runs(experiment_names=[EXPERIMENT], filter_string="run_name = 'tuned'", output_format="list")
    client.set_tag(tuned.info.run_id, "reviewed", f"by {team}")
    made = train(f"of {team}", {"amount": 1.0, "age": float(len(team))}, team=team)
    return {"changed": tuned.info.run_id, "made": made, "version": newest(client)}


def leak(client):
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name="careless", tags={"deploy": f"curl -H 'Authorization: token {SECRETS['tag']}'"}) as run:
        mlflow.log_param("store", SECRETS["param"])
        mlflow.log_text(f"[default]\naws_access_key_id = {SECRETS['artifact']}\n", "config/credentials.ini")
        mlflow.log_metric("auc", 0.75)
    return {"run": run.info.run_id, "secrets": list(SECRETS.values())}


def main():
    command, uri, *rest = sys.argv[1:]
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient()
    if command == "train":
        told = fill(client)
    elif command == "go-on":
        told = go_on(client, *rest)
    elif command == "leak":
        told = leak(client)
    elif command == "predict":
        told = list(mlflow.pyfunc.load_model(*rest).predict(SAMPLE))
    elif command == "ids":
        runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
        told = {
            "runs": {run.info.run_name: {"id": run.info.run_id, "tags": run.data.tags} for run in runs},
            "versions": {str(one.version): {"run": one.run_id, "tags": one.tags} for one in client.search_model_versions(f"name = '{MODEL}'")},
            "aliases": client.get_registered_model(MODEL).aliases,
        }
    else:
        sys.exit(f"unknown: {command}")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
