// Columns of the table of runs: what runs are, their metrics, params and tags; their values, and their order.

import { dayOf, duration, numeric, oneLine, plain, short } from "./text.js";
import { badge, deletedBadge, link, stateBadge, user } from "./dom.js";
import { experimentName, experiments, runName, runs, valueIn } from "./data.js";

function keyed(flat, width, key) {
  for (let at = 0; flat && at < flat.length; at += width) if (flat[at] === key) return flat[at + 1];
  return undefined;
}

export function metricOf(run, key) {
  return keyed(run.m, 3, key);
}

export function paramOf(run, key) {
  return keyed(run.p, 2, key);
}

export function tagOf(run, key) {
  return keyed(run.t, 2, key);
}

export function lastsOf(run) {
  const [start, end] = [Number(run.a), Number(run.e)];
  return Number.isFinite(start) && Number.isFinite(end) ? end - start : undefined;
}

const ABOUT_RUNS = {
  name: { title: "Run", value: (run) => plain(runName(run)), width: 240 },
  experiment: { title: "Experiment", value: (run) => experimentName(run.x), width: 170 },
  status: { title: "Status", value: (run) => run.s, width: 110, cell: (run) => stateBadge(run.s) },
  start: { title: "Started (UTC)", value: (run) => (run.a === undefined ? undefined : Number(run.a)), width: 168, cell: (run) => dayOf(run.a), isNumber: true },
  duration: { title: "Duration", value: lastsOf, width: 110, cell: (run) => duration(lastsOf(run)), isNumber: true },
  user: { title: "User", value: (run) => (run.u === undefined ? undefined : plain(run.u)), width: 120 },
  id: { title: "Run ID", value: (run) => run.i, width: 300 },
};

const cache = new Map();

// A column by its id: `name` and its like, or `m:`, `p:`, `t:` and a key.
export function columnOf(id) {
  if (!cache.has(id)) cache.set(id, makeColumn(id));
  return cache.get(id);
}

function makeColumn(id) {
  if (ABOUT_RUNS[id]) return { id, cell: (run) => textCell(ABOUT_RUNS[id].value(run)), ...ABOUT_RUNS[id] };
  const key = id.slice(2);
  switch (id[0]) {
    case "m":
      return {
        id, title: key, kind: "metric", width: 110, isNumber: true,
        value: (run) => {
          const value = metricOf(run, key);
          return value === undefined ? undefined : numeric(value);
        },
        cell: (run) => metricCell(metricOf(run, key)),
      };
    case "p":
      return keyColumn(id, key, "param", (run) => paramOf(run, key));
    default:
      return keyColumn(id, key, "tag", (run) => tagOf(run, key));
  }
}

function metricCell(value) {
  const cell = document.createElement("span");
  cell.textContent = short(value);
  if (value !== undefined) cell.title = String(value);
  return cell;
}

function keyColumn(id, key, kind, of) {
  let known;
  return {
    id, title: key, kind, width: 130,
    // Looked at only where the column is shown: there may be very many keys.
    get isNumber() {
      if (known === undefined) known = valuesOf(this).every((value) => value === undefined || (value !== "" && Number.isFinite(Number(value))));
      return known;
    },
    value: (run) => {
      const value = of(run);
      return value === undefined ? undefined : plain(value);
    },
    cell: (run) => {
      const value = of(run);
      return value === undefined ? "" : user(value);
    },
  };
}

function textCell(value) {
  return value === undefined ? "" : user(value);
}

export function nameCell(run) {
  return [link(["run", run.i], user(runName(run))), " ", deletedBadge(run)];
}

// The values of a column for all runs, by row.
export function valuesOf(column) {
  if (!column.values) column.values = runs.map((run) => column.value(run));
  return column.values;
}

// Sorts runs: values first, then NaN, then runs without one, whether ascending or descending. Equal ones stay as they are.
export function sorted(list, column, descending) {
  const values = valuesOf(column);
  const sign = descending ? -1 : 1;
  const rank = (value) => (value === undefined ? 2 : Number.isNaN(value) ? 1 : 0);
  const of = (run) => {
    const value = values[run.row];
    return column.isNumber && typeof value === "string" ? Number(value) : value;
  };
  return list
    .map((run) => [of(run), run])
    .sort(([a], [b]) => {
      const [x, y] = [rank(a), rank(b)];
      if (x !== y) return x - y;
      if (x !== 0 || a === b) return 0;
      return a < b ? -sign : sign;
    })
    .map(([, run]) => run);
}

let keyCounts = null;

// All keys of metrics, params and tags, each with how many runs have it, the most frequent first.
export function keysOfRuns() {
  if (keyCounts) return keyCounts;
  const maps = { m: new Map(), p: new Map(), t: new Map() };
  for (const run of runs) {
    for (const [kind, width] of [["m", 3], ["p", 2], ["t", 2]]) {
      const flat = run[kind];
      const map = maps[kind];
      for (let at = 0; flat && at < flat.length; at += width) map.set(flat[at], (map.get(flat[at]) || 0) + 1);
    }
  }
  const list = (map) => [...map].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  keyCounts = { m: list(maps.m), p: list(maps.p), t: list(maps.t) };
  return keyCounts;
}

function varies(id) {
  const values = valuesOf(columnOf(id));
  const first = values.find((value) => value !== undefined);
  return values.some((value) => value !== undefined && value !== first);
}

// The columns that the table has at first: what tells runs apart.
export function firstColumns(isNarrow) {
  const keys = keysOfRuns();
  const metrics = keys.m.filter(([key]) => !key.startsWith("system/")).map(([key]) => "m:" + key);
  if (isNarrow) return ["name", ...metrics.slice(0, 1), "status", "start"];
  const params = keys.p.slice(0, 40).map(([key]) => "p:" + key).filter(varies);
  const about = experiments.length > 1 ? ["name", "experiment"] : ["name"];
  return [...about, "status", "start", "duration", ...metrics.slice(0, 4), ...params.slice(0, 4)];
}

export const ABOUT_COLUMNS = Object.keys(ABOUT_RUNS);

// What a filter asks of a run.
export function filterView(run) {
  return {
    metric: (key) => {
      const value = metricOf(run, key);
      return value === undefined ? undefined : numeric(value);
    },
    param: (key) => paramOf(run, key),
    tag: (key) => tagOf(run, key),
    attribute: (key) => {
      switch (key) {
        case "run_id":
          return run.i;
        case "run_name": {
          const name = run.n === undefined || run.n === "" ? tagOf(run, "mlflow.runName") : run.n;
          return name === undefined || (typeof name === "object" && name.b !== undefined) ? run.n : name;
        }
        case "user_id":
          return run.u;
        case "status":
          return run.s;
        case "artifact_uri":
          return run.w;
        case "start_time":
          return run.a;
        default:
          return run.e;
      }
    },
    datasets: () => (run.ds || []).map(([name, digest, context]) => ({ name, digest, context })),
  };
}
