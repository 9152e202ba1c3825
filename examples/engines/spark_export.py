"""Exports MLflow history in shards on Spark, and merges them: spark-submit spark_export.py SOURCE --shards 16 --out DIR.

DIR is a folder that all workers see, or one in a bucket (s3://…). A shard that is there already is not exported again.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator

from pyspark.sql import SparkSession


def is_there(mlark: str, out: str) -> bool:
    """Whether a shard was made: what lies in a bucket is an archive only when it is whole."""
    if "://" not in out:
        return os.path.exists(out)
    return subprocess.run([mlark, "info", out], capture_output=True, check=False).returncode == 0


def export_shard(arguments: argparse.Namespace, number: int) -> str:
    """Exports one shard; what is said of a failure is what mlark said."""
    out = f"{arguments.out}/part-{number:05}.zip"
    if is_there(arguments.mlark, out):
        return out
    command = [arguments.mlark, "export", arguments.source, "--shard", f"{number}/{arguments.shards}", "-o", out]
    command += ["--plan", arguments.plan] if arguments.plan else []
    # What a killed worker left in a bucket.
    command += ["--cleanup"] if "://" in out else []
    done = subprocess.run(command + arguments.option, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        # Spark tries the shard again, perhaps elsewhere.
        raise RuntimeError(f"shard {number} of {arguments.shards}: exit {done.returncode}: {done.stderr[-2000:]}")
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--out", required=True, help="a folder that all workers see, or one in a bucket (s3://…)")
    parser.add_argument("--plan", help="a plan of `mlark plan`, on that file system")
    parser.add_argument("--mlark", default="mlark", help="the program, as workers find it")
    parser.add_argument("--option", action="append", default=[], help="an option of `mlark export`, such as --include-deleted")
    arguments = parser.parse_args()
    if "://" not in arguments.out:
        os.makedirs(arguments.out, exist_ok=True)

    def export_shards(numbers: Iterator) -> Iterator[str]:
        for number in numbers:
            yield export_shard(arguments, number)

    spark = SparkSession.builder.appName("mlark export").getOrCreate()
    # One shard a task: what fails is tried again alone, and short ones do not wait for long ones.
    numbers = spark.sparkContext.parallelize(range(1, arguments.shards + 1), arguments.shards)
    parts = numbers.mapPartitions(export_shards).collect()
    spark.stop()
    merge = [arguments.mlark, "merge", *sorted(parts), "-o", f"{arguments.out}/all.zip", "--force"]
    return subprocess.run(merge, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
