"""What the measurements against a real tracking server share: the server, its filling, and the table at the end.

The server has SQLite, 4 workers and proxied artifacts. Its runs lie in 10 experiments, each with 20 params, 20 metrics of 50 points and 3
artifacts of 50,000 bytes, put straight into its database.
"""

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from measure import ROOT, measure
from server import free_port, stop

EXPERIMENTS, PARAMS, METRICS, POINTS, FILES, FILE_BYTES = 10, 20, 20, 50, 3, 50_000


@contextlib.contextmanager
def server(venv, directory, workers):
    port = free_port()
    command = [f"{venv}/bin/mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers), "--serve-artifacts",
               "--backend-store-uri", f"sqlite:///{directory}/mlflow.db", "--artifacts-destination", f"{directory}/artifacts",
               "--default-artifact-root", "mlflow-artifacts:/"]
    environment = {**os.environ, "PATH": f"{venv}/bin:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with open(f"{directory}/server.log", "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory, env=environment, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5) as response:
                if response.read() == b"OK":
                    break
            time.sleep(0.25)
        else:
            sys.exit(f"no answer, see {directory}/server.log")
        yield url
    finally:
        stop(process.pid)


def columns(connection, table):
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def table_names(connection):
    return [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]


def fill(directory, runs):
    rng = random.Random(7)
    connection = sqlite3.connect(f"{directory}/mlflow.db")
    with_workspace = "workspace" in columns(connection, "experiments")
    for number in range(1, EXPERIMENTS + 1):
        names = "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time"
        values = [number, f"bench {number}", f"mlflow-artifacts:/{number}", "active", 1700000000000, 1700000000000]
        if with_workspace:
            names, values = names + ", workspace", [*values, "default"]
        connection.execute(f"INSERT INTO experiments ({names}) VALUES ({','.join('?' * len(values))})", values)
    for number in range(runs):
        run_id, experiment = f"{rng.getrandbits(128):032x}", number % EXPERIMENTS + 1
        connection.execute(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,"
            " source_version, lifecycle_stage, artifact_uri, experiment_id) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            [run_id, f"run {number}", "UNKNOWN", "", "", "ana", "FINISHED", 1700000000000 + number, 1700000001000 + number, "",
             "active", f"mlflow-artifacts:/{experiment}/{run_id}/artifacts", experiment],
        )
        tags = [("mlflow.user", "ana", run_id), ("mlflow.runName", f"run {number}", run_id)]
        connection.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?,?,?)", tags)
        params = [(f"param_{key}", str(rng.random()), run_id) for key in range(PARAMS)]
        connection.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?,?,?)", params)
        for key in range(METRICS):
            points = [(f"metric_{key}", rng.random(), 1700000000000 + step, run_id, step, 0) for step in range(POINTS)]
            insert = "INSERT INTO {} (key, value, timestamp, run_uuid, step, is_nan) VALUES (?,?,?,?,?,?)"
            connection.executemany(insert.format("metrics"), points)
            connection.execute(insert.format("latest_metrics"), points[-1])
        folder = Path(directory) / "artifacts" / str(experiment) / run_id / "artifacts"
        folder.mkdir(parents=True)
        for file in range(FILES):
            (folder / f"file_{file}.bin").write_bytes(rng.randbytes(FILE_BYTES))
    connection.commit()
    connection.close()


def make_store(venv, directory, runs, fill):
    (Path(directory) / "artifacts").mkdir()
    with server(venv, directory, 1):
        pass  # It makes the database.
    fill(directory, runs)


def venv_of(name):
    """A virtualenv of scripts/mlflow-env; none where it cannot be had."""
    made = subprocess.run([ROOT / "scripts/mlflow-env", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return made.stdout.strip() if made.returncode == 0 else None


def timed(command):
    """Wall seconds and peak MB."""
    found = measure(command)
    return found["wall"], found["mb"]


def table(rows):
    """Rows of what, measured and wanted."""
    rows = [("", "measured", "wanted"), *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    print()
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip(), flush=True)
