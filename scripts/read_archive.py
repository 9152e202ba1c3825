#!/usr/bin/env python3
"""Reads and verifies a mlark archive with nothing but the standard library, and rebuilds one run's artifacts.

usage: read_archive.py ARCHIVE                list the runs, after verifying
       read_archive.py ARCHIVE RUN_ID OUT     rebuild the run's artifact tree below OUT

docs/format.md says what is read here. This checks digests, the set of files and the references of artifacts;
`mlark verify` checks more.
"""

import hashlib
import json
import sys
import zipfile
from pathlib import Path


class Archive:
    """The files of an archive, a directory or a zip."""

    def __init__(self, path):
        self.zip = zipfile.ZipFile(path) if path.is_file() else None
        self.root = path

    def names(self):
        if self.zip:
            return sorted(self.zip.namelist())
        files = (file for file in self.root.rglob("*") if file.is_file() or file.is_symlink())
        return sorted(file.relative_to(self.root).as_posix() for file in files)

    def open(self, name):
        return self.zip.open(name) if self.zip else open(self.root / name, "rb")

    def read(self, name):
        with self.open(name) as file:
            return file.read()

    def sha256(self, name):
        digest = hashlib.sha256()
        with self.open(name) as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()

    def lines(self, kind):
        prefix = f"objects/{kind}-"
        for name in sorted(name for name in self.names() if name.startswith(prefix)):
            with self.open(name) as file:
                for line in file:
                    yield json.loads(line)


def blob(digest):
    return f"blobs/sha256/{digest[:2]}/{digest}"


def check(condition, message):
    if not condition:
        sys.exit(f"damaged: {message}")


def verify(archive):
    """Ends the program where the archive is damaged; else its manifest."""
    for name in ["mlark.json", "mlark.json.sha256", "SHA256SUMS"]:
        check(name in archive.names(), f"{name} is missing")
    seal = f"{archive.sha256('mlark.json')}  mlark.json\n"
    check(archive.read("mlark.json.sha256") == seal.encode(), "the seal does not fit mlark.json")
    manifest = json.loads(archive.read("mlark.json"))
    if manifest["format"]["major"] != 1 or manifest["format"]["requires"]:
        sys.exit("this script reads version 1 without further features")
    check(archive.sha256("SHA256SUMS") == manifest["content_id"], "SHA256SUMS does not have the content id")
    sums = archive.read("SHA256SUMS").decode().splitlines()
    listed = {line[66:]: line[:64] for line in sums}
    check(len(listed) == len(sums) and list(listed) == sorted(listed), "SHA256SUMS is not sorted")
    listed |= {file["path"]: file["sha256"] for file in manifest["files"]}
    names = [name for name in archive.names() if name not in ("mlark.json", "mlark.json.sha256", "SHA256SUMS")]
    check(names == sorted(listed), f"listed or there, but not both: {sorted(set(names) ^ set(listed))[:5]}")
    for name, digest in listed.items():
        check(archive.sha256(name) == digest, f"{name} has other bytes")
    for artifacts in archive.lines("artifacts"):
        for file in artifacts["files"]:
            check("absent" in file or blob(file["sha256"]) in listed, f"no blob for {file['path']}")
    return manifest


def rebuild(archive, run_id, out):
    """Writes a run's artifacts as a tree; what already exists is not overwritten."""
    for artifacts in archive.lines("artifacts"):
        if (artifacts["owner_kind"], artifacts["owner_id"]) != ("run", run_id):
            continue
        for file in artifacts["files"]:
            parts = file["path"].split("/")
            check(not {"", ".", ".."} & set(parts) and "\0" not in file["path"], f"path {file['path']}")
            if "absent" in file:
                print(f"absent ({file['absent']}): {file['path']}")
                continue
            target = out.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(blob(file["sha256"])) as source, open(target, "xb") as copy:
                while chunk := source.read(1 << 20):
                    copy.write(chunk)
            print(file["path"])


def main():
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    archive = Archive(Path(sys.argv[1]))
    manifest = verify(archive)
    if len(sys.argv) == 4:
        rebuild(archive, sys.argv[2], Path(sys.argv[3]))
        return
    print(f"content id {manifest['content_id']}")
    for run in archive.lines("runs"):
        print(run["info"]["run_id"], run["info"].get("run_name", ""))


if __name__ == "__main__":
    main()
