"""Restores of the store that `scripts/bench-sql` makes, beside tools that put the same rows and files into place.

| restore into | yardstick |
|---|---|
| a folder with SQLite and artifacts | `sqlite3`: the same schema, `.import` of the same rows from CSV; `cp -R` of the artifacts |
| PostgreSQL with the tables of MLflow, rows alone | `psql`: `\\copy` of the same rows in one transaction |
| a folder | time a run of mlark's import over REST, of fewer runs, into a server with 4 workers |
| a folder, from a file store without artifacts (`mlark migrate`: exported, verified, restored, compared) | `mlflow migrate-filestore` |
"""

import contextlib
import csv
import os
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import bench_data
import bench_dumps
import many_runs
from measure import measure
from server_bench import fill, make_store, server, table_names

REST_RUNS = 100
JOBS = ("sqlite", "postgresql", "files", "rest")
# What MLflow itself puts into an empty database.
OWN = ("alembic_version", "workspaces")


def csv_of(store, folder):
    """Each table that has rows as a CSV file; their names, experiments and runs before what refers to them."""
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    names = []
    for table in sorted(table_names(connection), key=lambda table: (table != "experiments", table != "runs", table)):
        rows = connection.execute(f'SELECT * FROM "{table}"')
        with open(folder / f"{table}.csv", "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        if (folder / f"{table}.csv").stat().st_size:
            names.append(table)
    connection.close()
    return names


def sqlite_yardstick(work, tables):
    script = work / "import.sql"
    imports = [f".import --csv {work}/{table}.csv {table}" for table in tables]
    script.write_text("\n".join([f".read {work}/schema.sql", *imports, ""]))
    return ["sh", "-c", f"mkdir {work}/tools && sqlite3 {work}/tools/mlflow.db <{script} && cp -R {work}/artifacts {work}/tools/artifacts"]


def psql_yardstick(work, tables, uri):
    script = work / "copy.sql"
    script.write_text("".join(f"\\copy {table} FROM '{work}/{table}.csv' CSV\n" for table in tables if table not in OWN))
    return ["psql", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", f"--file={script}", uri.replace("+psycopg2", "")]


def beside(name, rounds):
    """Ratios of wall and of CPU time of two commands in turn; wall and CPU seconds and peak memory of mlark's."""
    walls, cpus, own_walls, own_cpus, peak = [], [], [], [], 0
    for tool, own in rounds:
        walls.append(own["wall"] / tool["wall"])
        cpus.append(own["cpu"] / tool["cpu"])
        own_walls.append(own["wall"])
        own_cpus.append(own["cpu"])
        peak = max(peak, own["mb"])
        print(f"{name}: tool {tool['wall']:.2f} s (CPU {tool['cpu']:.2f}), mlark {own['wall']:.2f} s (CPU {own['cpu']:.2f}), {own['mb']:.0f} MB", flush=True)
    return statistics.median(walls), statistics.median(cpus), (statistics.median(own_walls), statistics.median(own_cpus)), peak


def count(path, table="metrics"):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    connection.close()
    return rows


def into_sqlite(arguments, work, tables):
    yardstick, out = sqlite_yardstick(work, tables), work / "restored"
    for _ in range(arguments.rounds):
        for folder in (work / "tools", out):
            shutil.rmtree(folder, ignore_errors=True)
        pair = measure(yardstick), measure([arguments.mlark, "restore", work / "archive.zip", "-o", out])
        assert count(out / "mlflow.db") == count(work / "tools/mlflow.db") == count(work / "mlflow.db")
        yield pair


def indexes_alone(store, work):
    """Wall and CPU seconds that `sqlite3` takes to make MLflow's indexes over all rows, which lie in a file without any."""
    with contextlib.closing(sqlite3.connect(store)) as connection:
        names = table_names(connection)
    connection = sqlite3.connect(work / "indexes.db")
    connection.execute("ATTACH ? AS store", (str(store),))
    script = ["PRAGMA journal_mode=OFF;", "PRAGMA synchronous=OFF;"]
    for table in names:
        connection.execute(f'CREATE TABLE "{table}" AS SELECT * FROM store."{table}"')
        for _, name, *_ in connection.execute(f'PRAGMA store.index_list("{table}")').fetchall():
            columns = ", ".join(f'"{row[2]}"' for row in connection.execute(f'PRAGMA store.index_info("{name}")'))
            script.append(f'CREATE INDEX "{name.removeprefix("sqlite_")}" ON "{table}" ({columns});')
    connection.commit()
    connection.close()
    found = measure(["sqlite3", work / "indexes.db", " ".join(script)])
    os.unlink(work / "indexes.db")
    return found["wall"], found["cpu"]


def stat_of(pid):
    """The session of a process, and the CPU seconds of itself and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    own, ended = (sum(map(int, fields[at : at + 2])) / os.sysconf("SC_CLK_TCK") for at in (11, 13))
    return fields[3], own, ended


def cpu_of_sessions(pid):
    """CPU seconds of the sessions of a PostgreSQL server that have ended."""
    return stat_of(pid)[2]


def with_server(pid, command):
    """What a command takes, with the CPU time of the sessions that served it."""
    before = cpu_of_sessions(pid)
    found = measure(command)
    time.sleep(0.5)  # Its session ends after it.
    return {**found, "cpu": found["cpu"] + cpu_of_sessions(pid) - before}


def into_postgres(arguments, venv, work, tables):
    (work / "nothing.db").touch()
    with bench_dumps.postgres(venv, work / "nothing.db") as (uri, server_pid):
        server_uri = uri.removesuffix("/bench")
        for _ in range(arguments.rounds):
            for name in ("tool", "own"):
                bench_dumps.databases.query(server_uri, None, f"CREATE DATABASE {name} TEMPLATE bench")
            artifacts = work / "no-artifacts"
            own = [arguments.mlark, "restore", work / "rows.zip", f"{server_uri}/own", "--artifacts-destination", artifacts]
            found = [with_server(server_pid, command) for command in (psql_yardstick(work, tables, f"{server_uri}/tool"), own)]
            for name in ("tool", "own"):
                bench_dumps.databases.query(server_uri, None, f"DROP DATABASE {name}")
            shutil.rmtree(artifacts)
            yield found


def cpu_of_server(url):
    """CPU seconds so far of the processes of an MLflow server, which share the session of the one that was given its port."""
    port, session, seconds = url.rsplit(":", 1)[1], None, {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            its_session, own, _ = stat_of(process.name)
            seconds.setdefault(its_session, []).append(own)
            if f"--port\0{port}\0" in (process / "cmdline").read_text():
                session = its_session
    return sum(seconds[session])


def over_rest(arguments, venv, work):
    """Wall and CPU seconds a run of an import over REST; those of the server count as well."""
    few, target = work / "few", work / "target"
    few.mkdir()
    target.mkdir()
    make_store(venv, few, REST_RUNS, fill)
    archive = work / "few.zip"
    measure([arguments.mlark, "export", few / "mlflow.db", "-o", archive, "--artifacts-destination", few / "artifacts"])
    with server(venv, target, 4) as url:
        before = cpu_of_server(url)
        found = measure([arguments.mlark, "import", archive, url])
        cpu = found["cpu"] + cpu_of_server(url) - before
    assert count(target / "mlflow.db") == count(few / "mlflow.db")
    return found["wall"] / REST_RUNS, cpu / REST_RUNS


def from_file_store(arguments, venv, work):
    store = work / "mlruns"
    bench_data.store_of_runs(store, arguments.runs, 50)
    tool = [f"{venv}/bin/mlflow", "migrate-filestore", "--source", store, "--target", f"sqlite:///{work}/migrated.db"]
    for _ in range(min(arguments.rounds, 2)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(work / "migrated.db")
        shutil.rmtree(work / "moved", ignore_errors=True)
        pair = measure(tool), measure([arguments.mlark, "migrate", store, work / "moved"])
        assert count(work / "moved/mlflow.db") == count(work / "migrated.db")
        yield pair


def compare(arguments, venv):
    """Rows of the table: ratios of 1,000 runs, or as many as are asked for."""
    with tempfile.TemporaryDirectory(dir=arguments.dir) as directory:
        # The server of PostgreSQL is somebody else where this is root.
        os.chmod(directory, 0o755)
        work, runs = Path(directory), arguments.runs
        make_store(venv, work, runs, fill)
        export = [arguments.mlark, "export", work / "mlflow.db", "--artifacts-destination", work / "artifacts"]
        measure([*export, "-o", work / "archive.zip"])
        measure([*export, "-o", work / "rows.zip", "--no-artifacts"])
        (work / "schema.sql").write_bytes(subprocess.run(["sqlite3", work / "mlflow.db", ".schema --nosys"], check=True, capture_output=True).stdout)
        tables = csv_of(work / "mlflow.db", work)
        jobs = JOBS if arguments.restore == "all" else arguments.restore.split(",")
        rows = []
        if "sqlite" in jobs or "rest" in jobs:
            wall, cpu, seconds, peak = beside("SQLite", into_sqlite(arguments, work, tables))
            rows += [(f"restore of {runs} runs into SQLite / sqlite3 .import + cp, wall", f"{wall:.2f}", "at most 1.5"),
                     ("the same, CPU", f"{cpu:.2f}", "at most 1.5"), ("the same, peak memory", f"{peak:.0f} MB", "at most 96 MB")]
            alone = indexes_alone(work / "restored/mlflow.db", work)
            rows.append(("restore, wall and CPU / sqlite3 makes MLflow's indexes, and nothing else", f"{seconds[0] / alone[0]:.2f}, {seconds[1] / alone[1]:.2f}", ""))
        if "postgresql" in jobs:
            wall, cpu, _, peak = beside("PostgreSQL", into_postgres(arguments, venv, work, tables))
            rows += [(f"restore of the rows of {runs} runs into PostgreSQL / psql \\copy, wall", f"{wall:.2f}", "at most 1.5"),
                     ("the same, CPU with the server's", f"{cpu:.2f}", "at most 1.5"), ("the same, peak memory", f"{peak:.0f} MB", "at most 96 MB")]
        if "files" in jobs:
            wall, cpu, _, _ = beside("file store", from_file_store(arguments, venv, work))
            rows += [(f"mlflow migrate-filestore of {runs} runs / mlark migrate, wall", f"{1 / wall:.1f}", "at least 20"), ("the same, CPU", f"{1 / cpu:.1f}", "at least 20")]
        if "rest" in jobs:
            over = over_rest(arguments, venv, work)
            wall, cpu = (rest * runs / restore for rest, restore in zip(over, seconds))
            rows += [(f"import over REST of {REST_RUNS} runs, per run ({over[0] * 1000:.0f} ms) / restore per run, wall", f"{wall:.0f}", "at least 100"),
                     (f"the same, CPU with the server's ({over[1] * 1000:.0f} ms)", f"{cpu:.0f}", "at least 100")]
        return rows


def scale(arguments, venv):
    times, rows = [], []
    for runs in (arguments.scale // 5, arguments.scale):
        with tempfile.TemporaryDirectory(dir=arguments.dir) as directory:
            make_store(venv, directory, runs, many_runs.fill)
            archive, out = Path(directory) / "archive.zip", Path(directory) / "restored"
            measure([arguments.mlark, "export", f"{directory}/mlflow.db", "-o", archive, "--no-sync", "--artifacts-destination", f"{directory}/artifacts"])
            found = []
            for _ in range(min(arguments.rounds, 3)):
                shutil.rmtree(out, ignore_errors=True)
                found.append(measure([arguments.mlark, "restore", archive, "-o", out]))
            cpu, peak, wall = min(one["cpu"] for one in found), max(one["mb"] for one in found), min(one["wall"] for one in found)
            times.append(cpu / runs)
            print(f"{runs} runs: {wall:.1f} s, CPU {cpu / runs * 1e6:.0f} µs a run, peak {peak:.0f} MB", flush=True)
            rows.append((f"peak memory of a restore of {runs} runs", f"{peak:.0f} MB", "at most 96 MB"))
    rows.append((f"CPU per run of {arguments.scale} / of {arguments.scale // 5} runs", f"{times[1] / times[0]:.2f}", "at most 1.5"))
    return rows
