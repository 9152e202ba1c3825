"""Exports MLflow history in shards on Dask, and merges them: python dask_export.py SOURCE --shards 16 --out DIR.

DIR is a folder that all workers see, or one in a bucket (s3://…). A shard that is there already is not exported again.
"""

import argparse
import os
import subprocess
import sys

from dask.distributed import Client, as_completed


def is_there(mlark: str, out: str) -> bool:
    """Whether a shard was made: what lies in a bucket is an archive only when it is whole."""
    if "://" not in out:
        return os.path.exists(out)
    return subprocess.run([mlark, "info", out], capture_output=True, check=False).returncode == 0


def export_shard(arguments: dict, number: int) -> str:
    """Exports one shard; what is said of a failure is what mlark said."""
    out = f"{arguments['out']}/part-{number:05}.zip"
    if is_there(arguments["mlark"], out):
        return out
    command = [arguments["mlark"], "export", arguments["source"], "--shard", f"{number}/{arguments['shards']}", "-o", out]
    command += ["--plan", arguments["plan"]] if arguments["plan"] else []
    # What a killed worker left in a bucket.
    command += ["--cleanup"] if "://" in out else []
    done = subprocess.run(command + arguments["option"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"shard {number}: exit {done.returncode}: {done.stderr[-2000:]}")
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--out", required=True, help="a folder that all workers see, or one in a bucket (s3://…)")
    parser.add_argument("--plan", help="a plan of `mlark plan`, on that file system")
    parser.add_argument("--mlark", default="mlark", help="the program, as workers find it")
    parser.add_argument("--option", action="append", default=[], help="an option of `mlark export`, such as --include-deleted")
    parser.add_argument("--scheduler", help="address of a running scheduler; without it, workers are started here")
    parser.add_argument("--workers", type=int, default=4, help="how many are started here")
    arguments = parser.parse_args()
    if "://" not in arguments.out:
        os.makedirs(arguments.out, exist_ok=True)
    cluster = {"address": arguments.scheduler} if arguments.scheduler else {"n_workers": arguments.workers, "threads_per_worker": 1}
    parts = []
    with Client(**cluster, dashboard_address=None) as client:
        # What fails is tried again, and so is what a lost worker had.
        shards = client.map(lambda number: export_shard(vars(arguments), number), range(1, arguments.shards + 1), retries=3, pure=False)
        for shard in as_completed(shards):
            parts.append(shard.result())
            print(f"{len(parts)} of {arguments.shards}: {parts[-1]}", file=sys.stderr)
    merge = [arguments.mlark, "merge", *sorted(parts), "-o", f"{arguments.out}/all.zip", "--force"]
    return subprocess.run(merge, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
