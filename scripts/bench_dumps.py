"""The same store in SQLite and in PostgreSQL, exported beside the databases' own dumps: `sqlite3 .dump` and `pg_dump --data-only`.

Rows alone: artifacts are out of reach.
"""

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ROOT, measure, stop
from server_bench import fill, make_store

sys.path.insert(0, str(ROOT / "fixtures/make"))
import databases  # noqa: E402

# Makes MLflow's tables in a database and copies the rows of a SQLite store into them; run by MLflow's own Python.
COPY = """
import csv, io, sqlite3, sys
import psycopg2
from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine
store, uri = sys.argv[1:]
_initialize_tables(create_sqlalchemy_engine(uri))
source = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
target = psycopg2.connect(uri.replace("+psycopg2", ""))
cursor = target.cursor()
cursor.execute("SET session_replication_role = replica")
tables = [name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'")]
for table in tables:
    rows = source.execute(f'SELECT * FROM "{table}"')
    columns = ", ".join(f'"{column[0]}"' for column in rows.description)
    lines = io.StringIO()
    csv.writer(lines).writerows(rows)
    if lines.tell():
        lines.seek(0)
        cursor.execute(f'DELETE FROM "{table}"')
        cursor.copy_expert(f'COPY "{table}" ({columns}) FROM STDIN CSV', lines)
target.commit()
"""


@contextlib.contextmanager
def postgres(venv, store):
    """The URI of a PostgreSQL database with the tables of MLflow and the rows of a SQLite store, and the server's process."""
    with tempfile.TemporaryDirectory() as folder:
        # The server runs as somebody else where this is root.
        os.chmod(folder, 0o755)
        server = databases.start("postgresql", f"{folder}/server")
        try:
            databases.create(server["uri"], "bench")
            uri = f"{server['uri']}/bench"
            drivers = subprocess.run([ROOT / "scripts/database-env"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
            environment = {**os.environ, "PYTHONPATH": drivers, "MLFLOW_DISABLE_TELEMETRY": "true"}
            subprocess.run([f"{venv}/bin/python", "-c", COPY, store, uri], check=True, env=environment)
            yield uri, server["pid"]
        finally:
            stop(server["pid"])


def compare(arguments, venv):
    """Rows of the table: ratios of both databases."""
    with tempfile.TemporaryDirectory(dir=arguments.dir) as directory:
        make_store(venv, directory, arguments.runs, fill)
        shutil.rmtree(f"{directory}/artifacts")
        rows = ratios(arguments, directory, "SQLite / sqlite3 .dump", f"{directory}/mlflow.db", ["sqlite3", "-readonly", f"{directory}/mlflow.db", ".dump"])
        with postgres(venv, f"{directory}/mlflow.db") as (uri, _):
            dump = ["pg_dump", "--data-only", uri.replace("+psycopg2", "")]
            return rows + ratios(arguments, directory, "PostgreSQL / pg_dump --data-only", uri, dump)


def ratios(arguments, directory, name, source, dump):
    out, walls, cpus = Path(directory) / "out", [], []
    measure(dump)  # So that all is in the page cache.
    for _ in range(arguments.rounds):
        shutil.rmtree(out, ignore_errors=True)
        tool, own = measure(dump), measure([arguments.mlark, "export", source, "-o", out, "--no-sync"])
        walls.append(own["wall"] / tool["wall"])
        cpus.append(own["cpu"] / tool["cpu"])
        print(f"{dump[0]} {tool['wall']:.2f} s (CPU {tool['cpu']:.2f}), mlark {own['wall']:.2f} s (CPU {own['cpu']:.2f}), {own['mb']:.0f} MB", flush=True)
    return [(f"export of the rows of {arguments.runs} runs from {name}, wall", f"{statistics.median(walls):.2f}", ""),
            ("the same, CPU of the client", f"{statistics.median(cpus):.2f}", "")]
