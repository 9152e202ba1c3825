"""Fills a database that MLflow made with many small runs and what usually hangs on them, for measurements of memory.

A run has 10 params, 5 metrics of 10 points, 5 tags, a dataset that it read, and one artifact of about 200 bytes. One in ten is nested in
the run before it, one in fifty deleted; one in ten has a logged model with its metric, and a trace of two spans that is linked to it.
Rows go straight into the database: through a server, 100,000 runs would take hours.
"""

import base64
import json
import random
import sqlite3
from pathlib import Path

EXPERIMENTS, PARAMS, METRICS, POINTS, DATASETS, OTHERS = 10, 10, 5, 10, 20, 10
START_MS = 1_700_000_000_000
KEYED, POINT = ("run_uuid", "key", "value"), ("run_uuid", "key", "value", "timestamp", "step", "is_nan")


class Rows:
    """Rows on their way into the database, a batch at a time; columns that this MLflow lacks are left out."""

    def __init__(self, connection):
        self.connection, self.columns, self.waiting = connection, {}, {}

    def add(self, table, **row):
        if table not in self.columns:
            self.columns[table] = {column[1] for column in self.connection.execute(f"PRAGMA table_info({table})")}
        row = {column: value for column, value in row.items() if column in self.columns[table]}
        if row:
            self.waiting.setdefault((table, tuple(row)), []).append(tuple(row.values()))

    def add_all(self, table, columns, rows):
        """Rows of columns that every MLflow has."""
        self.waiting.setdefault((table, columns), []).extend(rows)

    def write(self):
        for (table, columns), rows in self.waiting.items():
            marks = ",".join("?" * len(columns))
            self.connection.executemany(f"INSERT INTO {table} ({','.join(columns)}) VALUES ({marks})", rows)
        self.waiting.clear()


def fill(directory, runs):
    connection = sqlite3.connect(f"{directory}/mlflow.db")
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -500000;")
    rows, rng, last_id = Rows(connection), random.Random(7), None
    for experiment in range(1, EXPERIMENTS + 1):
        add_experiment(rows, experiment)
    for number in range(runs):
        last_id = add_run(rows, rng, directory, number, last_id)
        if number % 1000 == 999:
            rows.write()
    rows.write()
    connection.commit()
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()


def add_experiment(rows, experiment):
    rows.add("experiments", experiment_id=experiment, name=f"bench {experiment}", artifact_location=f"mlflow-artifacts:/{experiment}",
             lifecycle_stage="active", creation_time=START_MS, last_update_time=START_MS, workspace="default")
    for number in range(DATASETS):
        rows.add("datasets", dataset_uuid=f"{experiment:016x}{number:016x}", experiment_id=experiment, name=f"data {number}", digest=f"{number:08x}",
                 dataset_source_type="local", dataset_source=json.dumps({"uri": f"/data/{number}.parquet"}),
                 dataset_schema=json.dumps({"mlflow_colspec": [{"type": "double", "name": "x", "required": True}]}), dataset_profile='{"num_rows": 1000}')


def add_run(rows, rng, directory, number, last_id):
    run_id, experiment, at = f"{rng.getrandbits(128):032x}", number % EXPERIMENTS + 1, START_MS + number * 1000
    is_deleted = number % 50 == 49
    rows.add("runs", run_uuid=run_id, name=f"run {number}", source_type="UNKNOWN", source_name="", entry_point_name="", user_id="ana", status="FINISHED",
             start_time=at, end_time=at + 900, source_version="", lifecycle_stage="deleted" if is_deleted else "active",
             artifact_uri=f"mlflow-artifacts:/{experiment}/{run_id}/artifacts", experiment_id=experiment, deleted_time=at + 950 if is_deleted else None)
    tags = {"mlflow.user": "ana", "mlflow.runName": f"run {number}", "mlflow.source.name": "train.py", "mlflow.source.type": "LOCAL", "team": "vision"}
    if last_id and number % OTHERS == 1:
        tags["mlflow.parentRunId"] = last_id
    rows.add_all("tags", KEYED, [(run_id, key, value) for key, value in tags.items()])
    rows.add_all("params", KEYED, [(run_id, f"param_{key}", str(rng.random())) for key in range(PARAMS)])
    for key in range(METRICS):
        points = [(run_id, f"metric_{key}", rng.random(), at + step, step, 0) for step in range(POINTS)]
        rows.add_all("metrics", POINT, points)
        rows.add_all("latest_metrics", POINT, points[-1:])
    dataset = f"{experiment:016x}{number % DATASETS:016x}"
    input_id = f"{rng.getrandbits(128):032x}"
    rows.add("inputs", input_uuid=input_id, source_type="DATASET", source_id=dataset, destination_type="RUN", destination_id=run_id, step=0)
    rows.add("input_tags", input_uuid=input_id, name="mlflow.data.context", value="training")
    folder = Path(directory) / "artifacts" / str(experiment) / run_id / "artifacts"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({"run": run_id, "scores": [rng.random() for _ in range(8)]}))
    if number % OTHERS == 0:
        add_model(rows, rng, experiment, run_id, at)
        add_trace(rows, rng, experiment, run_id, at)
    return run_id


def add_model(rows, rng, experiment, run_id, at):
    model_id = f"m-{rng.getrandbits(128):032x}"
    rows.add("logged_models", model_id=model_id, experiment_id=experiment, name="model", artifact_location=f"mlflow-artifacts:/{experiment}/models/{model_id}/artifacts",
             creation_timestamp_ms=at, last_updated_timestamp_ms=at, status=2, lifecycle_stage="active", model_type="", source_run_id=run_id)
    rows.add("logged_model_params", model_id=model_id, experiment_id=experiment, param_key="depth", param_value="3")
    rows.add("logged_model_metrics", model_id=model_id, metric_name="auc", metric_timestamp_ms=at, metric_step=0, metric_value=rng.random(),
             experiment_id=experiment, run_id=run_id)
    rows.add("inputs", input_uuid=f"{rng.getrandbits(128):032x}", source_type="RUN_OUTPUT", source_id=run_id, destination_type="MODEL_OUTPUT",
             destination_id=model_id, step=1)


def add_trace(rows, rng, experiment, run_id, at):
    number = rng.getrandbits(128)
    trace_id, begin = f"tr-{number:032x}", at * 1_000_000
    rows.add("trace_info", request_id=trace_id, experiment_id=experiment, timestamp_ms=at, execution_time_ms=12, status="OK", request_preview='{"q": 1}',
             response_preview='"a"', db_payload_generation=0, trace_name="answer")
    for key, value in {"mlflow.trace_schema.version": "3", "mlflow.sourceRun": run_id}.items():
        rows.add("trace_request_metadata", key=key, value=value, request_id=trace_id)
    tags = {"mlflow.trace.spansLocation": "TRACKING_STORE", "mlflow.artifactLocation": f"mlflow-artifacts:/{experiment}/traces/{trace_id}/artifacts"}
    for key, value in tags.items():
        rows.add("trace_tags", key=key, value=value, request_id=trace_id)
    parent = None
    for place in range(2):
        span = rng.getrandbits(64)
        write_span(rows, experiment, number, trace_id, span, parent, begin + place)
        parent = span


def write_span(rows, experiment, number, trace_id, span, parent, begin):
    def coded(value, size):
        return base64.b64encode(value.to_bytes(size, "big")).decode()

    attributes = {"mlflow.traceRequestId": json.dumps(trace_id), "mlflow.spanType": '"CHAIN"', "mlflow.spanInputs": '{"q": 1}', "mlflow.spanOutputs": '"a"'}
    content = {"trace_id": coded(number, 16), "span_id": coded(span, 8), "parent_span_id": parent and coded(parent, 8), "name": "answer",
               "start_time_unix_nano": begin, "end_time_unix_nano": begin + 10, "events": [], "status": {"code": "STATUS_CODE_OK", "message": ""},
               "attributes": attributes}
    rows.add("spans", trace_id=trace_id, experiment_id=experiment, span_id=f"{span:016x}", parent_span_id=parent and f"{parent:016x}", name="answer",
             type="CHAIN", status="OK", start_time_unix_nano=begin, end_time_unix_nano=begin + 10, content=json.dumps(content))
