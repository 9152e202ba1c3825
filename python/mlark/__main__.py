"""`python -m mlark` runs the program."""

import os
import subprocess
import sys

from ._program import program

if __name__ == "__main__":
    line = [program(), *sys.argv[1:]]
    if os.name == "posix":
        os.execv(line[0], line)
    sys.exit(subprocess.run(line, check=False).returncode)
