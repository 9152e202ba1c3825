"""Archives for the tests: the golden ones of every released version, and one of a rich file store."""

from pathlib import Path

import pytest

import mlark

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = sorted(path for version in (ROOT / "fixtures/golden").iterdir() for path in version.iterdir()
                if path.is_dir() or path.suffix == ".zip")
STORE = ROOT / "fixtures/filestore-3.18.0/mlruns"


@pytest.fixture(params=GOLDEN, ids=lambda path: f"{path.parent.name}-{path.name}")
def golden(request):
    return request.param


@pytest.fixture(scope="session")
def history(tmp_path_factory):
    """An archive that the program made of the file store."""
    out = tmp_path_factory.mktemp("history") / "history.zip"
    mlark.export(STORE, out, include_deleted=True)
    return out
