// The data of the page: JSON in elements that nothing runs. What is large is parsed when it is asked for.

function parsed(element) {
  return JSON.parse(element.textContent);
}

// All rows of a class.
export function rowsOf(name) {
  const rows = [];
  for (const element of document.getElementsByClassName(name)) {
    if (element.type === "application/json") for (const row of parsed(element)) rows.push(row);
  }
  return rows;
}

// One value, or nothing where the page has none.
export function valueIn(id) {
  const element = document.getElementById(id);
  return element && element.type === "application/json" ? parsed(element) : undefined;
}

// Whether the page has all of something, so that what is not here is nowhere.
export function hasAll(what) {
  return !about.shares.some(([name, shown, of]) => name === what && shown < of);
}

function byKey(rows, keyOf) {
  const map = new Map();
  for (const row of rows) map.set(keyOf(row), row);
  return map;
}

function grouping(rows, keysOf) {
  const map = new Map();
  for (const row of rows) {
    for (const key of keysOf(row)) {
      if (!key) continue;
      if (map.has(key)) map.get(key).push(row);
      else map.set(key, [row]);
    }
  }
  return map;
}

export const about = valueIn("about");
export const experiments = rowsOf("experiments");
export const runs = rowsOf("runs");
export const models = rowsOf("models");
export const versions = rowsOf("versions");
export const logged = rowsOf("logged");
export const datasets = rowsOf("datasets");
export const evaluationDatasets = rowsOf("evaluation-datasets");
export const scorers = rowsOf("scorers");
for (const rows of [runs, versions, logged]) rows.forEach((row, number) => (row.row = number));

export const experimentOf = byKey(experiments, (row) => row.i);
export const runOf = byKey(runs, (row) => row.i);
export const loggedOf = byKey(logged, (row) => row.i);
export const versionOf = byKey(versions, (row) => row.n + "/" + row.v);
export const datasetOf = byKey(datasets, (row) => row.x + "/" + row.n + "/" + row.g);

const later = new Map();

function once(name, make) {
  if (!later.has(name)) later.set(name, make());
  return later.get(name);
}

export function traces() {
  return once("traces", () => {
    const rows = rowsOf("traces");
    rows.forEach((row, number) => (row.row = number));
    return rows;
  });
}

export function traceOf(id) {
  return once("trace-ids", () => byKey(traces(), (row) => row.i)).get(id);
}

export function tracesOfRun(id) {
  return once("run-traces", () => grouping(traces(), (row) => [row.r, ...(row.lr || [])])).get(id) || [];
}

export function childrenOf(id) {
  return once("children", () => grouping(runs, (run) => [parentOf(run)])).get(id) || [];
}

export function versionsOfRun(id) {
  return once("run-versions", () => grouping(versions, (row) => [row.r])).get(id) || [];
}

export function versionsOfLogged(id) {
  return once("logged-versions", () => grouping(versions, (row) => [row.m])).get(id) || [];
}

export function versionsOfModel(name) {
  return once("model-versions", () => grouping(versions, (row) => [row.n])).get(name) || [];
}

export function loggedOfRun(run) {
  const made = once("run-logged", () => grouping(logged, (row) => [row.r])).get(run.i) || [];
  const ids = new Set(made.map((row) => row.i));
  for (const [id] of run.mo || []) ids.add(id);
  return [...ids];
}

export function runsOfDataset(dataset) {
  const key = (x, n, g) => x + "/" + n + "/" + g;
  const of = once("dataset-runs", () => grouping(runs, (run) => (run.ds || []).map(([n, g]) => key(run.x, n, g))));
  return of.get(key(dataset.x, dataset.n, dataset.g)) || [];
}

// The value of a tag or param.
export function tag(row, key) {
  const flat = row.t;
  for (let at = 0; flat && at < flat.length; at += 2) if (flat[at] === key) return flat[at + 1];
  return undefined;
}

export function parentOf(run) {
  const parent = tag(run, "mlflow.parentRunId");
  return typeof parent === "string" ? parent : undefined;
}

export function runName(run) {
  if (run.n !== undefined && run.n !== "") return run.n;
  const name = tag(run, "mlflow.runName");
  return name !== undefined ? name : run.i;
}

export function experimentName(id) {
  const experiment = experimentOf.get(id);
  return experiment ? experiment.n : id;
}

export function isPrompt(model) {
  return String(tag(model, "mlflow.prompt.is_prompt")).toLowerCase() === "true";
}

const curveCache = new Map();

// The curves of a run, by metric; those that have been looked at last are held.
export function curvesOf(run) {
  if (curveCache.has(run.row)) return curveCache.get(run.row);
  const curves = new Map();
  for (const [key, points, notFinite, firstNotFinite, min, max, steps, times, values] of valueIn("c" + run.row) || []) {
    curves.set(key, { key, points, notFinite, firstNotFinite, min, max, steps: sums(steps), times: sums(times), values });
  }
  if (curveCache.size > 200) curveCache.delete(curveCache.keys().next().value);
  curveCache.set(run.row, curves);
  return curves;
}

// The first number, and what each next one adds.
function sums(differences) {
  let sum = 0;
  return differences.map((difference) => (sum += Number(difference)));
}

export function recordsOf(dataset) {
  return once("records", () => grouping(rowsOf("dataset-records"), (row) => [row.g])).get(dataset) || [];
}

// What was measured of a logged model: [metric, dataset, run, points, least, greatest, latest, step].
export function metricsOfLogged(model) {
  return valueIn("m" + model.row) || [];
}

export function filesOf(kind, row) {
  return valueIn(`f-${kind}-${row}`);
}

export function previewOf(digest) {
  return valueIn("b-" + digest);
}

export function spansOf(trace) {
  return valueIn("s" + trace.row);
}
