"""A pytest fixture that compares an archive with what was recorded of it.

    def test_training_logs_what_we_think(mlark_snapshot, tmp_path):
        train(tmp_path / "mlruns")
        mlark.export(tmp_path / "mlruns", tmp_path / "h.zip")
        mlark_snapshot(tmp_path / "h.zip")

The text lies in `__snapshots__/` beside the test; `pytest --mlark-update` writes it anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable

import pytest

from ._program import snapshot


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--mlark-update", action="store_true", help="write the recorded texts of mlark_snapshot anew")


@pytest.fixture
def mlark_snapshot(request: Any) -> Callable[..., None]:
    """Asserts that an archive's `mlark snapshot` is the recorded text; options are those of the program."""
    counter = iter(range(1, 10_000))

    def compare(archive: Any, **options: Any) -> None:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.name)
        number = next(counter)
        file = f"{name}.txt" if number == 1 else f"{name}.{number}.txt"
        path = Path(request.node.path).parent / "__snapshots__" / file
        found = snapshot(archive, **options)
        if request.config.getoption("--mlark-update"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(found, encoding="utf-8")
            return
        assert path.exists(), f"{path} is not there yet; --mlark-update records it"
        assert found == path.read_text(encoding="utf-8"), f"differs from {path}; --mlark-update records it anew"

    return compare
