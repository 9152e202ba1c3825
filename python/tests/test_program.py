"""The program of the wheel, and what it makes read again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mlark
from conftest import STORE

pandas = pytest.importorskip("pandas")


def test_runs_are_as_the_program_lists_them(history):
    with mlark.open(history) as archive:
        archive.verify()
        runs = list(archive.runs())
        listed = subprocess.run([mlark.program(), "ls", history, "runs"], capture_output=True, check=True).stdout
        assert [run.run_id for run in runs] == [line.split("\t")[0] for line in listed.decode().splitlines()]
        assert archive.run(runs[0].run_id) == runs[0]
        with pytest.raises(mlark.NotFound):
            archive.run("none")
        with pytest.raises(mlark.NotFound):
            archive.runs("none")


def test_points_artifacts_and_versions_are_found(history, tmp_path):
    with mlark.open(history) as archive:
        counts = archive.manifest["totals"]
        runs_points = len(list(archive.metrics()))
        assert runs_points + len(list(archive.model_metrics())) == counts["metric_points"]
        point = next(archive.metrics(key="loss"))
        assert point in list(archive.metrics(run=point.run_id, key="loss"))
        for file in archive.artifacts():
            if file.sha256:
                assert len(archive.artifact(file.owner_id, file.path)) == file.size_bytes
        owner = next(archive.artifacts()).owner_id
        written = archive.extract(owner, tmp_path / "out")
        assert len(written) == len(list(archive.artifacts(owner)))
        with pytest.raises(FileExistsError):
            archive.extract(owner, tmp_path / "out")
        assert {version.name for version in archive.versions()} <= {model.name for model in archive.models()}
        assert any(model.is_prompt for model in archive.models())
        trace = next(archive.traces())
        assert all(span.trace_id == trace.trace_id for span in archive.spans(trace.trace_id))


def test_a_data_frame_has_the_columns_of_search_runs(history):
    with mlark.open(history) as archive:
        runs = {run.run_id: run for run in archive.runs()}
        frame = archive.runs().to_pandas()
    assert list(frame.columns[:4]) == ["run_id", "experiment_id", "run_name", "status"]
    assert len(frame) == len(runs) and str(frame["start_time"].dtype).startswith("datetime64")
    for row in frame.to_dict("records"):
        run = runs[row["run_id"]]
        for key, value in run.metrics.items():
            assert row[f"metrics.{key}"] == value or value != value
        for key, value in run.params.items():
            assert row[f"params.{key}"] == value


def test_every_kind_becomes_a_table(history):
    arrow = pytest.importorskip("pyarrow")
    with mlark.open(history) as archive:
        for name in ("experiments", "runs", "metrics", "datasets", "logged_models", "models", "versions", "traces",
                     "spans", "artifacts"):
            objects = list(getattr(archive, name)())
            assert len(getattr(archive, name)().to_pandas()) == len(objects), name
            table = getattr(archive, name)().to_arrow()
            assert table.num_rows == len(objects), name
        runs = archive.runs().to_arrow()
        assert runs.schema.field("params").type == arrow.map_(arrow.string(), arrow.string())
        assert runs.schema.field("start_time").type == arrow.timestamp("ms", tz="UTC")


def test_the_main_job_runs_from_python(tmp_path):
    made = mlark.export(STORE, tmp_path / "a.zip", experiment=["main"])
    assert made["content_id"] == mlark.open(tmp_path / "a.zip").content_id
    mlark.transform(tmp_path / "a.zip", tmp_path / "b.zip", source_tags=True)
    assert mlark.verify(tmp_path / "b.zip")["findings"] == []
    assert mlark.diff(tmp_path / "a.zip", tmp_path / "b.zip")
    assert "experiment" in mlark.snapshot(tmp_path / "b.zip")
    run = next(mlark.open(tmp_path / "b.zip").runs())
    assert any(key.startswith("mlflow_exim.") for key in run.tags)


def test_errors_are_typed_and_say_why(tmp_path):
    with pytest.raises(mlark.UsageError) as error:
        mlark.export(STORE, tmp_path / "a.zip", experiment="no such experiment")
    assert error.value.exit_code == 2 and "no such experiment" in str(error.value)
    with pytest.raises(mlark.UsageError):
        mlark.verify(STORE, no_such_option=True)
    with pytest.raises(mlark.ProgramError) as error:
        mlark.verify(tmp_path / "missing.zip")
    assert error.value.exit_code >= 2
    assert not (tmp_path / "a.zip").exists()


def test_a_restore_keeps_ids_and_an_incomplete_export_says_what_is_missing(history, tmp_path):
    made = mlark.restore(history, output=tmp_path / "store")
    assert made and (tmp_path / "store/mlflow.db").is_file()
    mlark.export(tmp_path / "store/mlflow.db", tmp_path / "again.zip", include_deleted=True)
    with mlark.open(history) as before, mlark.open(tmp_path / "again.zip") as after:
        assert [run.run_id for run in before.runs()] == [run.run_id for run in after.runs()]

    shutil.copytree(STORE, tmp_path / "broken")
    next((tmp_path / "broken").glob("*/*/meta.yaml")).write_text("run_id: [")
    with pytest.raises(mlark.ProgramError) as error:
        mlark.export(tmp_path / "broken", tmp_path / "none.zip")
    assert error.value.exit_code == 7 and error.value.hint and not (tmp_path / "none.zip").exists()
    with pytest.raises(mlark.Incomplete) as error:
        mlark.export(tmp_path / "broken", tmp_path / "part.zip", keep_going=True)
    assert error.value.exit_code == 3
    assert error.value.document["content_id"] == mlark.open(tmp_path / "part.zip").content_id


def test_without_the_program_archives_are_read_and_the_rest_says_so(history):
    code = f"""
import sys, sysconfig, os
sys.executable = "/nowhere/python"
sysconfig.get_path = lambda *_: "/nowhere"
os.environ.pop("MLARK", None)
os.environ["PATH"] = ""
import mlark
print(len(list(mlark.open({str(history)!r}).runs())))
try:
    mlark.export("a", "b")
except ImportError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert int(said[0]) > 0 and "not installed" in said[1]


def test_the_fixture_of_pytest_compares_with_what_was_recorded(history, tmp_path):
    test = tmp_path / "test_it.py"
    test.write_text(f"def test_history(mlark_snapshot):\n    mlark_snapshot({str(history)!r})\n")

    def pytest_run(*options):
        line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test), *options]
        return subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, check=False)

    assert pytest_run().returncode == 1, "nothing is recorded yet"
    assert pytest_run("--mlark-update").returncode == 0
    assert pytest_run().returncode == 0
    recorded = tmp_path / "__snapshots__/test_history.txt"
    recorded.write_text(recorded.read_text().replace("experiment", "experimunt", 1))
    assert pytest_run().returncode == 1


def test_manual_pages_and_completions_are_installed():
    share = Path(sys.prefix) / "share"
    assert "mlark" in (share / "man/man1/mlark-export.1").read_text()
    told = subprocess.run([mlark.program(), "--version"], capture_output=True, text=True, check=True).stdout
    assert told.split()[1] == mlark.__version__
    bash = share / "bash-completion/completions/mlark"
    line = f"source {bash}; COMP_WORDS=(mlark ver); COMP_CWORD=1; _mlark mlark ver mlark; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["verify"], done.stderr


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "mlark", "--version"], capture_output=True, text=True, check=True)
    assert "postgres" in done.stdout and "cloud" in done.stdout
