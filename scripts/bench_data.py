"""What `scripts/bench` measures with: file stores, and an archive of many runs written line by line as docs/format.md has it."""

import hashlib
import json
import random

EXPERIMENTS, KEYS, POINTS = 10, 20, 10
START_MS = 1_700_000_000_000
PART_BYTES = 64 << 20


def start_experiment(root, experiment_id):
    directory = root / str(experiment_id)
    directory.mkdir(parents=True)
    (directory / "meta.yaml").write_text(
        f"artifact_location: file://{directory}\ncreation_time: {START_MS}\nexperiment_id: '{experiment_id}'\n"
        f"last_update_time: {START_MS}\nlifecycle_stage: active\nname: bench {experiment_id}\n"
    )
    return directory


def start_run(experiment, number):
    run_id = f"{number:032x}"
    directory = experiment / run_id
    for name in ["metrics", "params", "tags", "artifacts"]:
        (directory / name).mkdir(parents=True)
    (directory / "meta.yaml").write_text(
        f"artifact_uri: file://{directory}/artifacts\nend_time: {START_MS + 1000 + number}\nentry_point_name: ''\n"
        f"experiment_id: '{experiment.name}'\nlifecycle_stage: active\nrun_id: '{run_id}'\nrun_name: run {number}\n"
        f"source_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: {START_MS + number}\nstatus: 3\n"
        "tags: []\nuser_id: ana\n"
    )
    (directory / "tags/mlflow.user").write_text("ana")
    (directory / "tags/mlflow.runName").write_text(f"run {number}")
    return directory


def store_of_artifacts(root, runs, files_per_run, smallest, largest):
    rng = random.Random(7)
    experiment = start_experiment(root, 1)
    for number in range(runs):
        run = start_run(experiment, number)
        for file in range(files_per_run):
            (run / f"artifacts/file-{file:03}.bin").write_bytes(rng.randbytes(rng.randint(smallest, largest)))


def store_of_runs(root, runs, points=POINTS):
    rng = random.Random(7)
    experiments = [start_experiment(root, number) for number in range(1, EXPERIMENTS + 1)]
    for number in range(runs):
        run = start_run(experiments[number % EXPERIMENTS], number)
        for key in range(KEYS):
            (run / f"params/param_{key}").write_text(str(rng.random()))
            lines = (f"{START_MS + step} {rng.random()} {step}\n" for step in range(points))
            (run / f"metrics/metric_{key}").write_text("".join(lines))


class Lines:
    """The object files of one kind, cut into parts."""

    def __init__(self, root, kind):
        self.root, self.kind, self.files, self.file = root, kind, [], None

    def add(self, value):
        line = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if self.file is None:
            path = f"objects/{self.kind}-{len(self.files):05}.jsonl"
            self.entry = {"path": path, "media_type": "application/jsonl", "size_bytes": 0, "count": 0}
            self.file, self.digest = open(self.root / path, "wb"), hashlib.sha256()
        self.file.write(line)
        self.digest.update(line)
        self.entry["size_bytes"] += len(line)
        self.entry["count"] += 1
        if self.entry["size_bytes"] >= PART_BYTES:
            self.end_part()

    def end_part(self):
        if self.file is not None:
            self.file.close()
            self.files.append({**self.entry, "sha256": self.digest.hexdigest()})
            self.file = None


def run_line(experiment_id, number, histories):
    run_id = f"{number:032x}"
    latest = {key: {"step": POINTS - 1, "timestamp": START_MS + POINTS - 1, "value": values[-1]} for key, values in histories.items()}
    info = {"run_id": run_id, "experiment_id": experiment_id, "run_name": f"run {number}", "user_id": "ana", "status": "FINISHED",
            "start_time": START_MS + number, "end_time": START_MS + 1000 + number, "lifecycle_stage": "active",
            "artifact_uri": f"file:///bench/{experiment_id}/{run_id}/artifacts", "source_type": "LOCAL"}
    return {"info": info, "metrics": latest, "params": {f"param_{key}": str(values[0]) for key, values in enumerate(histories.values())},
            "tags": {"mlflow.user": "ana", "mlflow.runName": f"run {number}"}}


def archive_of_runs(root, runs, first=0):
    """The same kind of runs as `store_of_runs`, as an archive; values stay where Python and the archive write floats alike. They are
    numbered from `first`."""
    rng = random.Random(7 + first)
    (root / "objects").mkdir(parents=True)
    experiments, run_lines, metrics = (Lines(root, kind) for kind in ("experiments", "runs", "metrics"))
    steps, timestamps = list(range(POINTS)), list(range(START_MS, START_MS + POINTS))
    for experiment in range(EXPERIMENTS):
        experiment_id = str(experiment + 1)
        experiments.add({"experiment_id": experiment_id, "name": f"bench {experiment_id}", "lifecycle_stage": "active", "tags": {}})
        for number in range(first + experiment, first + runs, EXPERIMENTS):
            histories = {f"metric_{key}": [rng.uniform(0.1, 1) for _ in steps] for key in range(KEYS)}
            run_lines.add(run_line(experiment_id, number, histories))
            for key, values in sorted(histories.items()):
                metrics.add({"run_id": f"{number:032x}", "key": key, "steps": steps, "timestamps": timestamps, "values": values})
    for lines in (experiments, run_lines, metrics):
        lines.end_part()
    files = sorted((entry for lines in (experiments, run_lines, metrics) for entry in lines.files), key=lambda entry: entry["path"])
    seal(root, files, runs * KEYS * POINTS)


def seal(root, files, points):
    sums = "".join(f"{entry['sha256']}  {entry['path']}\n" for entry in files).encode()
    counts = {}
    for entry in files:
        kind = entry["path"].removeprefix("objects/").rsplit("-", 1)[0]
        counts[kind] = counts.get(kind, 0) + entry["count"]
    manifest = {
        "format": {"name": "mlark-archive", "major": 1, "minor": 0, "requires": []},
        "tool": {"name": "mlark-bench", "version": "1"}, "created": "2023-11-14T22:13:20Z", "origin": "bench",
        "source": {"kind": "file-store", "uri": "file:///bench"}, "selection": {"options": {}, "left_out": []}, "counts": counts,
        "totals": {"metric_points": points, "artifact_files": 0, "artifact_bytes": 0, "blobs": 0, "blob_bytes": 0},
        "files": files, "content_id": hashlib.sha256(sums).hexdigest(), "history": [], "losses": {"limits": [], "failures": []},
    }
    content = (json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    (root / "SHA256SUMS").write_bytes(sums)
    (root / "mlark.json").write_bytes(content)
    (root / "mlark.json.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  mlark.json\n")
