"""Reads and verifies an archive without the program, and rebuilds one run's artifacts.

usage: python -m mlark.read ARCHIVE                list the runs, after verifying
       python -m mlark.read ARCHIVE RUN_ID OUT     rebuild the run's artifact tree below OUT
"""

from __future__ import annotations

import os
import sys
from typing import List

import mlark
from mlark import MlarkError


def main(arguments: List[str]) -> None:
    if len(arguments) not in (1, 3):
        sys.exit(__doc__)
    try:
        with mlark.open(arguments[0]) as archive:
            archive.verify()
            if len(arguments) == 3:
                for path in archive.extract(arguments[1], arguments[2]):
                    print(path)
                return
            print(f"content id {archive.content_id}")
            for run in archive.runs():
                print(run.run_id, run.name or "")
    except BrokenPipeError:
        # Whoever reads has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except MlarkError as error:
        sys.exit(f"mlark.read: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
