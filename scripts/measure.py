"""What measurements and demonstrations share: the programs, built; what one command takes; and an end that leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "fixtures/make"))
from server import stop  # noqa: E402

RELEASE = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve() / "release"
EXAMPLES = ["bare_http", "yardstick"]

# A small process starts the command: the peak of a child counts the memory of the process it was forked from. What it read
# is asked for after its end and before it is reaped.
STARTER = """
import json, os, subprocess, sys, time
begin = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
wall = time.perf_counter() - begin
io = dict(line.split(": ") for line in open(f"/proc/{process.pid}/io").read().splitlines())
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps({"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024, "read": int(io["rchar"]), "status": status}))
"""


def build():
    """Builds mlark and its yardsticks below RELEASE: always together, since cargo chooses features by what is built."""
    examples = [word for example in EXAMPLES for word in ("--example", example)]
    subprocess.run(["cargo", "build", "--release", "--quiet", "--manifest-path", ROOT / "Cargo.toml", "--bin", "mlark", *examples], check=True)


def measure(command):
    """Wall and CPU seconds, peak MB, and bytes that one command read from files."""
    words = [str(part) for part in command]
    process = subprocess.Popen([sys.executable, "-S", "-c", STARTER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        output, errors = process.communicate()
    except BaseException:
        stop(process.pid)
        raise
    if process.returncode != 0 or json.loads(output)["status"] != 0:
        sys.exit(f"failed: {' '.join(words)}\n{errors}")
    return json.loads(output)


def clean_up_on_sigterm():
    """SIGTERM ends the program as an exception does, so that servers are stopped and temporary folders removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def run_script(command):
    """Runs a script that cleans up on SIGTERM, which it gets where this program is ended."""
    process = subprocess.Popen([str(part) for part in command])
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
