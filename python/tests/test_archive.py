"""Reading archives without the program."""

import json
import math
import shutil
import zipfile

import pytest

import mlark
from mlark._decode import Decoder


def test_golden_archives_are_read_and_verified(golden):
    with mlark.open(golden) as archive:
        archive.verify()
        for kind, count in archive.counts.items():
            assert sum(1 for _ in archive.lines(kind)) == count, kind
        assert len(list(archive.runs())) == archive.counts["runs"]


def test_every_byte_of_a_folder_is_checked(golden, tmp_path):
    if not golden.is_dir():
        pytest.skip("a zip is the same files")
    files = sorted(path.relative_to(golden) for path in golden.rglob("*") if path.is_file())
    for number, name in enumerate(files):
        damaged = tmp_path / str(number)
        shutil.copytree(golden, damaged)
        content = bytearray((damaged / name).read_bytes())
        content[len(content) // 2:] = b"x" + content[len(content) // 2:]
        (damaged / name).chmod(0o644)
        (damaged / name).write_bytes(content)
        with pytest.raises(mlark.Damaged):
            mlark.open(damaged).verify()
        (damaged / name).unlink()
        with pytest.raises(mlark.Damaged):
            mlark.open(damaged).verify()


def test_a_file_too_many_and_a_link_are_damage(golden, tmp_path):
    if not golden.is_dir():
        pytest.skip("a zip has no links")
    copy = tmp_path / "copy"
    shutil.copytree(golden, copy)
    (copy / "objects" / "more").write_text("x")
    with pytest.raises(mlark.Damaged, match="objects/more"):
        mlark.open(copy).verify()
    (copy / "objects" / "more").unlink()
    runs = next((copy / "objects").glob("runs-*"))
    shutil.move(runs, tmp_path / "elsewhere")
    runs.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(mlark.Damaged):
        list(mlark.open(copy).runs())


@pytest.mark.parametrize("bite", [b"", b"PK\x05\x06", b"not a zip at all" * 9])
def test_what_is_no_zip_is_damage(tmp_path, bite):
    path = tmp_path / "x.zip"
    path.write_bytes(bite)
    with pytest.raises(mlark.Damaged):
        mlark.open(path)


def test_a_broken_zip_raises_nothing_else(golden, tmp_path):
    if golden.is_dir():
        pytest.skip("a folder has no headers")
    whole = golden.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        path = tmp_path / "x.zip"
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1:])
        try:
            with mlark.open(path) as archive:
                archive.verify()
        except (mlark.Damaged, mlark.TooNew):
            pass


def _sealed(manifest):
    import hashlib

    text = json.dumps(manifest).encode()
    return text, f"{hashlib.sha256(text).hexdigest()}  mlark.json\n".encode()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": {"name": "mlark-archive", "major": 1000, "minor": 0, "requires": []}}, mlark.TooNew),
        ({"format": {"name": "mlark-archive", "major": 1, "minor": 0, "requires": ["future"]}}, mlark.TooNew),
        ({"format": {"name": "other", "major": 1, "minor": 0, "requires": []}}, mlark.Damaged),
        ({"format": 1}, mlark.Damaged),
        ({"content_id": None, "files": None}, mlark.Damaged),
        ({"files": [{"path": "../../etc/passwd", "sha256": "0" * 64, "size_bytes": 1}]}, mlark.Damaged),
        ({"files": [{"path": "objects/../runs-00000.jsonl", "sha256": "0" * 64, "size_bytes": 1}]}, mlark.Damaged),
    ],
)
def test_a_forged_manifest_is_refused(tmp_path, change, error):
    manifest = {
        "format": {"name": "mlark-archive", "major": 1, "minor": 0, "requires": []},
        "content_id": "0" * 64, "counts": {}, "files": [], "origin": "o", "losses": {}, **change,
    }
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, content in zip(("mlark.json", "mlark.json.sha256"), _sealed(manifest)):
            made.writestr(name, content)
    with pytest.raises(error):
        mlark.open(path)


def _decoded(kind, document):
    def blob(reference):
        return {"a" * 64: b"long", "b" * 64: b"/w=="}[reference["sha256"]]

    return Decoder(kind, blob).line(json.dumps(document).encode() + b"\n")


def test_markers_become_values_and_users_keys_lose_their_second_dollar():
    blob = {"$blob": {"sha256": "a" * 64, "size_bytes": 4}}
    run = _decoded("runs", {
        "tags": {"$blob": "own key", "$$x": "kept", "long": blob, "raw": {"$bytes": "/w=="}},
        "params": {"$int": "5"},
        "extra": {"$$int": {"$int": "18446744073709551616"}},
        "inputs": {"dataset_inputs": [{"tags": {"$float": "x"}}]},
    })
    assert run["tags"] == {"$blob": "own key", "$$x": "kept", "long": "long", "raw": b"\xff"}
    assert run["params"] == {"$int": "5"}
    assert run["extra"] == {"$int": 1 << 64}
    assert run["inputs"]["dataset_inputs"][0]["tags"] == {"$float": "x"}
    long_bytes = {"$bytes": {"$blob": {"sha256": "b" * 64, "size_bytes": 4}}}
    assert _decoded("traces", {"trace_metadata": {"m": long_bytes}})["trace_metadata"]["m"] == b"\xff"
    span = _decoded("spans", {"attributes": {"$$a": {"$float": "NaN"}, "b": [{"$$c": 1}]}})
    assert math.isnan(span["attributes"]["$a"]) and span["attributes"]["b"] == [{"$c": 1}]
    with pytest.raises(mlark.Damaged):
        _decoded("spans", {"attributes": {"a": {"$new": 1}}})


def test_json_that_is_too_deep_is_damage(tmp_path):
    from mlark._archive import _damage

    with pytest.raises(mlark.Damaged), _damage("here"):
        Decoder("runs", lambda _: b"").line(b"[" * 100_000 + b"\n")
