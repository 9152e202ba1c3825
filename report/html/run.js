// One run.

import { dayOf, duration, grouped, numeric, oneLine, plain, short, timeOf } from "./text.js";
import { clear, deletedBadge, el, factList, inParts, keyTable, link, mono, pairs, prose, section, smallTable, stateBadge, user } from "./dom.js";
import { childrenOf, curvesOf, datasetOf, experimentName, loggedOf, loggedOfRun, parentOf, runName, runOf, tag, tracesOfRun, versionsOfRun } from "./data.js";
import { choose, chosen } from "./controls.js";
import { lastsOf } from "./columns.js";
import { showExperiment } from "./runs.js";
import { drawChart, drawnOf, sparkline } from "./chart.js";
import { curveControls, drawCurves } from "./compare.js";
import { fileSection } from "./files.js";
import { hopList, lineageOfRun } from "./graph.js";
import { traceTable } from "./traces.js";

export function absentView(what, id) {
  return el("main", { id: "view" }, el("h1", {}, "Not on this page"), el("p", {}, `There is no ${what} `, mono(id), ". It may be in the archive: ", mono(`mlark show ARCHIVE ${id}`)));
}

export function runView(id) {
  const run = runOf.get(id);
  if (!run) return absentView("run", id);
  const note = tag(run, "mlflow.note.content");
  const own = pairs(run.t).filter(([key]) => !key.startsWith("mlflow."));
  const system = pairs(run.t).filter(([key]) => key.startsWith("mlflow."));
  const compare = el("button", { type: "button", onclick: () => {
    choose(run.i, !chosen.has(run.i));
    compare.textContent = compareText(run);
  } }, compareText(run));
  return el(
    "main", { id: "view" },
    el("p", { class: "trail" }, link(["runs"], "Runs"), " / ", el("a", { href: "#/runs", onclick: () => showExperiment(run.x) }, user(experimentName(run.x)))),
    el("h1", {}, user(runName(run)), " ", stateBadge(run.s), " ", deletedBadge(run)),
    el("p", { class: "actions" }, compare, " ", link(["compare"], "Compare chosen runs")),
    runFacts(run),
    note ? section("Description", null, prose(note)) : null,
    runMetrics(run),
    section("Params", (run.p || []).length / 2, keyTable(run.p, "It has none.")),
    section("Tags", own.length, keyTable(own.flat(), "It has none of its own."), system.length > 0 ? el("details", {}, el("summary", {}, `${grouped(system.length)} that MLflow set`), keyTable(system.flat(), "")) : null),
    runDatasets(run),
    runModels(run),
    section("Artifacts", null, fileSection("run", run.row, run.i)),
    section("Where it came from, and what was made of it", null, lineageOfRun(run), hopList(run)),
    traceSection(run),
  );
}

function compareText(run) {
  return chosen.has(run.i) ? "Chosen to compare ✓" : "Choose to compare";
}

function code(run) {
  const name = tag(run, "mlflow.source.name");
  const commit = tag(run, "mlflow.source.git.commit");
  if (name === undefined && commit === undefined) return null;
  return [name !== undefined ? user(name) : null, commit !== undefined ? [" at commit ", mono(plain(commit))] : null];
}

function runFacts(run) {
  const parent = parentOf(run);
  const children = childrenOf(run.i);
  const child = (other) => el("span", {}, link(["run", other.i], user(runName(other))), " ");
  return factList([
    ["Run ID", mono(run.i)],
    ["Experiment", user(experimentName(run.x))],
    ["Started", run.a !== undefined ? timeOf(run.a) + " UTC" : null],
    ["Ended", run.e !== undefined ? timeOf(run.e) + " UTC" : null],
    ["Duration", duration(lastsOf(run))],
    ["User", run.u !== undefined ? user(run.u) : null],
    ["Code", code(run)],
    ["Parent", parent ? (runOf.has(parent) ? link(["run", parent], user(runName(runOf.get(parent)))) : mono(parent)) : null],
    ["Children", children.length > 0 ? [children.slice(0, 20).map(child), children.length > 20 ? `and ${grouped(children.length - 20)} more` : null] : null],
    ["Artifacts were at", run.w !== undefined ? mono(plain(run.w)) : null],
  ]);
}

function runMetrics(run) {
  const curves = curvesOf(run);
  const rows = [];
  for (let at = 0; run.m && at < run.m.length; at += 3) {
    const [key, value, step] = [run.m[at], run.m[at + 1], run.m[at + 2]];
    const curve = curves.get(key);
    const number = (value) => el("span", { class: "number", title: value === undefined || value === null ? null : String(value) }, value === null || value === undefined ? "" : short(value));
    rows.push([
      mono(key), number(value), grouped(step), curve ? number(curve.min) : "", curve ? number(curve.max) : "",
      curve && curve.values.length > 0 ? sparkline(curve) : "", el("span", { class: "note" }, curve ? drawnOf(curve) : "no curve on this page"),
    ]);
  }
  if (rows.length === 0) return section("Metrics", 0, el("p", { class: "empty" }, "It has none."));
  const box = el("div", { class: "charts" });
  const hasCurves = [...curves.values()].some((curve) => curve.points > 1);
  const draw = () => drawCurves(clear(box), [run]);
  if (hasCurves) requestAnimationFrame(draw);
  const table = inParts(rows, (some) => smallTable(["Metric", "Latest", "Step", "Least", "Greatest", "", "Points"], some), 30);
  return section("Metrics", rows.length, table, hasCurves ? [curveControls(draw), box] : null);
}

function runDatasets(run) {
  if (!run.ds) return null;
  const rows = run.ds.map(([name, digest, context]) => {
    const found = datasetOf.get(run.x + "/" + name + "/" + digest);
    return [found ? link(["dataset", run.x, name, digest], user(name)) : user(name), mono(digest), context ? oneLine(context) : "", found && found.so ? user(found.so) : ""];
  });
  return section("Datasets that it read", rows.length, smallTable(["Name", "Digest", "For", "Source"], rows));
}

function runModels(run) {
  const made = loggedOfRun(run);
  const registered = versionsOfRun(run.i);
  if (made.length === 0 && registered.length === 0 && !run.mi) return null;
  const name = (id) => {
    const model = loggedOf.get(id);
    return model ? link(["logged", id], user(model.n || id)) : mono(id);
  };
  const rows = [
    ...made.map((id) => [name(id), "logged model that it made", mono(id)]),
    ...(run.mi || []).map((id) => [name(id), "logged model that it read", mono(id)]),
    ...registered.map((version) => [link(["version", version.n, version.v], user(version.n), ` version ${version.v}`), "registered from it", dayOf(version.a)]),
  ];
  return section("Models", rows.length, smallTable(["Model", "What", ""], rows));
}

function traceSection(run) {
  const list = tracesOfRun(run.i);
  return list.length > 0 ? section("Traces", list.length, traceTable(list)) : null;
}
