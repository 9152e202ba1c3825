// What the archive is, what is in it and what is not, and its experiments.

import { byteSize, counted, dayOf, grouped, oneLine, timeOf } from "./text.js";
import { badge, deletedBadge, el, factList, inParts, link, mono, section, smallTable, svg, user } from "./dom.js";
import { about, experiments, logged, runs, tag, traces } from "./data.js";
import { showExperiment } from "./runs.js";

const KINDS = { "file-store": "an mlruns folder", sql: "a database", rest: "a tracking server", "export-import": "a directory of mlflow-export-import" };

export function overviewView() {
  const { facts } = about;
  const source = KINDS[facts.source.kind] || facts.source.kind;
  const version = facts.source.mlflow_version ? `, MLflow ${facts.source.mlflow_version}` : "";
  return el(
    "main", { id: "view" },
    el("h1", {}, "MLflow history"),
    el("p", { class: "lead" }, "Read from ", mono(facts.source.uri), ` (${oneLine(source + version)}) on ${dayOf(Date.parse(facts.created))} UTC.`),
    tiles(facts),
    chosenNote(),
    activity(),
    section("Experiments", experiments.length, experimentTable()),
    missing(facts),
    section("This archive", null, identity(facts), history(facts)),
  );
}

function tiles({ counts, totals }) {
  const count = (kind) => counts[kind] || 0;
  const all = [
    ["experiments", count("experiments"), ["runs"]],
    ["runs", count("runs"), ["runs"]],
    ["metric points", totals.metric_points, ["compare"]],
    ["registered models", count("registered-models"), ["models"]],
    ["model versions", count("model-versions"), ["models"]],
    ["logged models", count("logged-models"), ["models"]],
    ["traces", count("traces"), ["traces"]],
    ["datasets", count("datasets"), ["data"]],
    ["artifacts", totals.artifact_files, null],
  ];
  const list = el("ul", { class: "tiles" });
  for (const [name, number, route] of all) {
    if (!number) continue;
    const inner = [el("strong", {}, grouped(number)), el("span", {}, number === 1 ? name.replace(/s$/, "") : name)];
    if (name === "artifacts") inner.push(el("span", { class: "note" }, byteSize(totals.artifact_bytes)));
    list.append(el("li", {}, route ? link(route, inner) : el("div", {}, inner)));
  }
  return list;
}

// What of the archive the page is about, where that is not all.
function chosenNote() {
  const chosen = Object.entries(about.chosen);
  if (chosen.length === 0) return null;
  const words = chosen.map(([option, value]) => `--${option} ${[].concat(value).map((one) => oneLine(one)).join(", ")}`);
  return el("p", { class: "callout" }, "This page is about a part of the archive: ", el("bdi", { class: "mono" }, words.join(" ")), ". The numbers above are those of the whole archive.");
}

// Runs by month, week or day, as far as the page has them.
function activity() {
  const times = runs.map((run) => Number(run.a)).filter((time) => time > 0 && time < 8e14);
  if (times.length < 3) return null;
  const [first, last] = times.reduce(([low, high], time) => [Math.min(low, time), Math.max(high, time)], [Infinity, -Infinity]);
  const day = 86400000;
  const span = [day, 7 * day, 30 * day, 91 * day, 365 * day].find((span) => (last - first) / span <= 60) || (last - first) / 60;
  const name = { [day]: "day", [7 * day]: "week", [30 * day]: "30 days", [91 * day]: "quarter", [365 * day]: "year" }[span] || "period";
  const count = Math.floor((last - first) / span) + 1;
  if (count < 2) return null;
  const bars = Array.from({ length: count }, () => [0, 0]);
  for (const run of runs) {
    const time = Number(run.a);
    if (time > 0 && time < 8e14) bars[Math.floor((time - first) / span)][run.s === "FAILED" || run.s === "KILLED" ? 1 : 0] += 1;
  }
  const most = Math.max(...bars.map(([good, bad]) => good + bad));
  const [width, height, gap] = [720, 64, count > 30 ? 1 : 2];
  const each = width / count;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "bars", role: "img", preserveAspectRatio: "none", "aria-label": `Runs per ${name}, at most ${most}` });
  bars.forEach(([good, bad], at) => {
    const size = (number) => (number / most) * (height - 4);
    const bar = (number, below, kind) => svg("rect", { class: kind, x: at * each + gap / 2, y: height - size(below) - size(number), width: Math.max(1, each - gap), height: size(number) });
    const label = svg("title", {}, `${dayOf(first + at * span).slice(0, 10)}: ${counted(good + bad, "runs")}${bad ? `, ${bad} failed or killed` : ""}`);
    drawing.append(svg("g", {}, label, bar(good, 0, "bar"), bar(bad, good, "bar bad")));
  });
  const ends = el("div", { class: "ends" }, el("span", {}, dayOf(first).slice(0, 10)), el("span", {}, `runs per ${name}, at most ${grouped(most)}`, bars.some(([, bad]) => bad > 0) ? [" · ", el("span", { class: "key-bad" }, "failed or killed")] : null), el("span", {}, dayOf(last).slice(0, 10)));
  return el("figure", { class: "activity" }, drawing, ends);
}

function experimentTable() {
  if (experiments.length === 0) return el("p", { class: "empty" }, "There are none.");
  const counts = new Map();
  for (const run of runs) {
    const entry = counts.get(run.x) || [0, undefined];
    entry[0] += 1;
    if (run.a !== undefined && (entry[1] === undefined || Number(run.a) > entry[1])) entry[1] = Number(run.a);
    counts.set(run.x, entry);
  }
  const number = (rows) => {
    const found = new Map();
    for (const row of rows) found.set(row.x, (found.get(row.x) || 0) + 1);
    return found;
  };
  const [modelCounts, traceCounts] = [number(logged), number(traces())];
  const rows = experiments.map((experiment) => {
    const [count, last] = counts.get(experiment.i) || [0, undefined];
    const open = el("a", { href: "#/runs", onclick: () => showExperiment(experiment.i) }, user(experiment.n));
    const note = tag(experiment, "mlflow.note.content");
    return [
      [open, " ", deletedBadge(experiment), note ? el("div", { class: "note" }, user(note)) : null],
      el("span", { class: "number" }, grouped(count)), el("span", { class: "number" }, grouped(modelCounts.get(experiment.i) || 0)),
      el("span", { class: "number" }, grouped(traceCounts.get(experiment.i) || 0)), dayOf(last), mono(experiment.i),
    ];
  });
  return inParts(rows, (some) => smallTable(["Name", "Runs", "Logged models", "Traces", "Last run (UTC)", "ID"], some), 50);
}

// What is not there: in the archive, and on this page.
function missing(facts) {
  const table = (counts) =>
    smallTable(["What", "How many", "Why"], counts.map(([kind, field, reason, count]) => [
      whatIs(kind, field), el("span", { class: "number" }, grouped(count)),
      [el("span", {}, oneLine(facts.meanings[reason] || reason)), " ", mono(reason, { class: "mono note" })],
    ]));
  const parts = [];
  if (facts.failures.length > 0) {
    parts.push(el("h3", {}, badge("failures", "bad"), " Could not be read"), el("p", { class: "note" }, "It was there or listed when the archive was made, and could not be read."), table(facts.failures));
    if (facts.failed.length > 0) parts.push(failedList(facts));
  }
  if (facts.left_out.length > 0) parts.push(el("h3", {}, "Left out"), el("p", { class: "note" }, "The options of the export left these out."), table(facts.left_out));
  if (facts.limits.length > 0) parts.push(el("h3", {}, "Limits"), el("p", { class: "note" }, "The source does not show these, or the format cannot hold them."), table(facts.limits));
  const none = parts.length === 0 ? el("p", {}, "Nothing is known to be missing from the archive.") : null;
  return section("What is not here", null, none, parts, onThisPage());
}

function whatIs(kind, field) {
  const what = oneLine(kind).replace(/-/g, " ");
  return field === "*" ? what : [what, ": ", el("bdi", {}, oneLine(field))];
}

function failedList({ failed, failures }) {
  const all = failures.reduce((sum, [, , , count]) => sum + count, 0);
  const rows = failed.map(([kind, id, field, reason, detail]) => [whatIs(kind, field), mono(id), el("bdi", {}, oneLine(detail)), mono(reason)]);
  const title = failed.length < all ? `The first ${grouped(failed.length)} of ${grouped(all)}, one by one` : "One by one";
  return el("details", {}, el("summary", {}, title), inParts(rows, (some) => smallTable(["What", "ID", "What happened", "Reason"], some), 50));
}

function onThisPage() {
  const less = about.shares.filter(([, shown, of]) => shown < of);
  const items = less.map(([what, shown, of]) =>
    what === "points of curves"
      ? el("li", {}, `Curves are drawn with ${grouped(shown)} of ${grouped(of)} points; the lowest and the highest are always kept.`)
      : el("li", {}, `${what}: ${grouped(shown)} of ${grouped(of)}`),
  );
  if (about.cut_texts > 0) {
    const [text, note] = about.characters;
    items.push(el("li", {}, `${counted(about.cut_texts, "texts")} cut: values after ${grouped(text)} characters, notes and texts of spans after ${grouped(note)}; very long lists have only their first entries here.`));
  }
  const further = ["workspaces"].filter((kind) => about.facts.counts[kind]);
  if (further.length > 0) items.push(el("li", {}, `Not shown at all: ${further.map((kind) => counted(about.facts.counts[kind], kind.replace(/-/g, " "))).join(", ")}.`));
  items.push(el("li", {}, "Fields that this version of mlark does not know are in the archive and not on this page."));
  const isFull = less.some(([what]) => what !== "points of curves");
  const size = `The page may have at most ${byteSize(about.max_bytes)}. `;
  const how = isFull ? size + "It shows the newest; --max-size, --experiment and --filter of `mlark report` change that." : "All of it is in the archive.";
  return [el("h3", {}, "In the archive, but not or only partly on this page"), el("ul", { class: "plain" }, items), el("p", { class: "note" }, how)];
}

function identity(facts) {
  const part = facts.part ? `part ${facts.part[0]} of ${facts.part[1]} of the archive ${facts.part[2]}` : null;
  return factList([
    ["Content ID", mono(facts.content_id)],
    ["Origin", mono(facts.origin)],
    ["Further origins", facts.further.length > 0 ? facts.further.map(([name, uri]) => el("div", {}, mono(name), " ", mono(uri))) : null],
    ["Written", `${timeOf(Date.parse(facts.created)) || oneLine(facts.created)} UTC by ${oneLine(facts.tool)}`],
    ["Format", oneLine(facts.format)],
    ["Part", part],
    ["Chosen on export", facts.options.length > 0 ? el("bdi", { class: "mono" }, facts.options.map(([name, value]) => `--${name} ${value}`).map(oneLine).join(" ")) : "everything"],
    ["Distinct files", `${grouped(facts.totals.blobs)} (${byteSize(facts.totals.blob_bytes)})`],
    ["This page", `made by ${facts.made_by}; a copy for reading. mlark verify checks the archive itself.`],
  ]);
}

function history({ history, history_length: length }) {
  if (length === 0) return null;
  const rows = history.map(([name, time, counts, parent]) => [oneLine(name), dayOf(Date.parse(time)) || oneLine(time), counts.map(([what, count]) => `${oneLine(what)} ${grouped(count)}`).join(", "), mono(parent.slice(0, 12))]);
  return [el("h3", {}, "What was done to it"), smallTable(["Transform", "When (UTC)", "How much", "Content ID before"], rows)];
}
