"""A pytest test of what a training logs. `pytest --mlark-update` writes the recorded text anew."""

import subprocess
from pathlib import Path

import mlark
import pytest

HERE = Path(__file__).parent


@pytest.fixture
def history(tmp_path):
    """The history of one training."""

    def train(learning_rate="0.1"):
        store, out = tmp_path / f"mlruns-{learning_rate}", tmp_path / f"history-{learning_rate}.zip"
        subprocess.run(["sh", HERE / "train.sh", store, learning_rate], check=True)
        mlark.export(store, out)
        return out

    return train


def test_training_logs_what_we_think(history, mlark_snapshot):
    mlark_snapshot(history())
    mlark_snapshot(history("0.2"), sizes=True)


def test_the_best_point_is_the_last(history):
    with mlark.open(history()) as archive:
        archive.verify()
        [run] = archive.runs("fraud")
        assert run.params == {"learning_rate": "0.1"}
        assert [value for _, _, value, _, _ in archive.metrics(run=run.run_id, key="auc")] == [0.5, 0.6, 0.7]
        assert archive.artifact(run.run_id, "model.yaml") == b"threshold: 0.4\n"


def test_another_learning_rate_is_seen(history):
    assert mlark.snapshot(history("0.1")) != mlark.snapshot(history("0.2"))
