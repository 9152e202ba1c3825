// Chosen runs side by side: their curves in one drawing, their params and metrics in one table.

import { brief, counted, grouped, oneLine, plain, short } from "./text.js";
import { clear, el, link, section, user } from "./dom.js";
import { checkbox, choose, chooseNone, chosen, labelled, lineStyle, select, whenChosen } from "./controls.js";
import { curvesOf, experimentName, hasAll, runName, runOf } from "./data.js";
import { shownRuns } from "./runs.js";
import { metricOf, paramOf, tagOf } from "./columns.js";
import { drawChart } from "./chart.js";

const MOST_RUNS = 24;
const CHARTS_AT_ONCE = 12;
const curveState = { axis: "step", smoothing: 0, log: false, search: "", more: 1 };

export function compareView() {
  let list = [...chosen].map((id) => runOf.get(id)).filter(Boolean);
  const isGuess = list.length === 0;
  if (isGuess) list = shownRuns().slice(0, 5);
  const view = el("main", { id: "view", class: "wide" }, el("h1", {}, "Compare"));
  if (list.length === 0) return view.append(el("p", { class: "empty" }, "There are no runs.")) || view;
  const lead = isGuess
    ? ["No runs are chosen, so these are the first ones in the ", link(["runs"], "table of runs"), ". Choose others there."]
    : [`${counted(list.length, "runs")} chosen in the `, link(["runs"], "table of runs"), ". ", el("button", { type: "button", onclick: chooseNone }, "Clear choice")];
  const drawn = list.slice(0, MOST_RUNS);
  if (drawn.length < list.length) lead.push(` The first ${MOST_RUNS} are drawn.`);
  view.append(el("p", { class: "lead" }, lead), chips(drawn, isGuess));
  const box = el("div", { class: "charts" });
  view.append(section("Curves", null, curveControls(() => drawCurves(clear(box), drawn)), box), section("Side by side", null, sideBySide(drawn)));
  requestAnimationFrame(() => drawCurves(clear(box), drawn));
  const stop = whenChosen(() => {
    stop();
    if (view.isConnected) view.replaceWith(compareView());
  });
  return view;
}

function chips(list, isGuess) {
  const items = list.map((run, number) => {
    const swatch = el("span", { class: "swatch", css: { "background-color": lineStyle(number).stroke } });
    const out = isGuess ? null : el("button", { type: "button", class: "out", "aria-label": "Do not compare " + brief(runName(run), 60), onclick: () => choose(run.i, false) }, "×");
    return el("li", {}, swatch, link(["run", run.i], user(runName(run))), out);
  });
  return el("ul", { class: "chips" }, items);
}

export function curveControls(draw) {
  const set = (name) => (value) => {
    curveState[name] = value;
    draw();
  };
  const weight = el("input", { type: "range", min: "0", max: "0.98", step: "0.02", value: curveState.smoothing, "aria-label": "Smoothing" });
  const told = el("output", {}, curveState.smoothing.toFixed(2));
  weight.addEventListener("input", () => {
    curveState.smoothing = Number(weight.value);
    told.textContent = curveState.smoothing.toFixed(2);
    draw();
  });
  const search = el("input", { type: "search", placeholder: "all metrics", value: curveState.search });
  search.addEventListener("input", () => set("search")(search.value));
  return el(
    "div", { class: "controls" },
    labelled("Metrics", search),
    labelled("X axis", select([["step", "step"], ["time", "time"], ["relative", "relative time"]], curveState.axis, set("axis"))),
    el("label", { class: "control" }, el("span", {}, "Smoothing ", told), weight),
    checkbox("log scale", curveState.log, set("log")),
  );
}

// The metrics of runs, those that most of them have first.
function metricsOf(list) {
  const counts = new Map();
  for (const run of list) for (const key of curvesOf(run).keys()) counts.set(key, (counts.get(key) || 0) + 1);
  const wanted = curveState.search.toLowerCase();
  // What MLflow itself measures comes last, and before it what is one number and no curve.
  const rank = (key) => (key.startsWith("system/") ? 2 : list.some((run) => (curvesOf(run).get(key) || { values: [] }).values.length > 1) ? 0 : 1);
  const keys = [...counts].filter(([key]) => key.toLowerCase().includes(wanted));
  return keys.sort((a, b) => rank(a[0]) - rank(b[0]) || b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([key]) => key);
}

export function drawCurves(box, list) {
  const hasCurve = (key) => list.length > 1 || curvesOf(list[0]).get(key).points > 1;
  const keys = metricsOf(list).filter(hasCurve);
  if (keys.length === 0) {
    const why = curveState.search ? "No metric has this name." : hasAll("curves of runs") ? "These runs have no metrics." : "These runs have no metrics, or this page had no room for their curves.";
    return box.append(el("p", { class: "empty" }, why));
  }
  const one = (key) => {
    const curves = list.map((run, number) => ({ curve: curvesOf(run).get(key), number, name: runName(run) })).filter(({ curve }) => curve);
    drawChart(box, key, curves, { axis: curveState.axis, smoothing: curveState.smoothing, log: curveState.log });
  };
  const most = CHARTS_AT_ONCE * curveState.more;
  keys.slice(0, most).forEach(one);
  if (keys.length > most) {
    const more = el("button", { type: "button", onclick: () => {
      more.remove();
      curveState.more += 1;
      keys.slice(most, most + CHARTS_AT_ONCE).forEach(one);
    } }, `Draw ${grouped(Math.min(CHARTS_AT_ONCE, keys.length - most))} more of ${counted(keys.length, "metrics")}`);
    box.append(more);
  }
  return undefined;
}

function keysIn(list, field, width) {
  const keys = new Set();
  for (const run of list) for (let at = 0; run[field] && at < run[field].length; at += width) keys.add(run[field][at]);
  return [...keys].sort();
}

function sideBySide(list) {
  const box = el("div");
  const draw = (onlyDifferent) => {
    clear(box);
    const head = el("tr", {}, el("th", { scope: "col" }, ""), list.map((run, number) => el("th", { scope: "col" }, el("span", { class: "swatch", css: { "background-color": lineStyle(number).stroke } }), user(brief(runName(run), 40)))));
    const body = el("tbody");
    const group = (title, keys, valueOf, show) => {
      const rows = [];
      for (const key of keys) {
        const values = list.map((run) => valueOf(run, key));
        const texts = values.map((value) => (value === undefined ? undefined : plain(value)));
        const isSame = texts.every((text) => text === texts[0]);
        if (onlyDifferent && isSame) continue;
        const cells = values.map((value) => el("td", { class: isSame ? "" : "differs" }, value === undefined ? el("span", { class: "note" }, "—") : show(value)));
        rows.push(el("tr", {}, el("th", { scope: "row" }, el("bdi", { class: "mono" }, oneLine(key))), cells));
      }
      if (rows.length === 0) return;
      body.append(el("tr", { class: "group" }, el("th", { colspan: list.length + 1, scope: "rowgroup" }, title)), ...rows.slice(0, 500));
    };
    const number = (value) => el("span", { class: "number", title: String(value) }, short(value));
    group("About", ["experiment", "status"], (run, key) => (key === "status" ? run.s : experimentName(run.x)), (value) => oneLine(value));
    group("Metrics, the latest values", keysIn(list, "m", 3), metricOf, number);
    group("Params", keysIn(list, "p", 2), paramOf, (value) => user(value));
    group("Tags", keysIn(list, "t", 2).filter((key) => !key.startsWith("mlflow.")), tagOf, (value) => user(value));
    box.append(body.children.length > 0 ? el("div", { class: "scroll", tabindex: "0" }, el("table", { class: "sides" }, el("thead", {}, head), body)) : el("p", { class: "empty" }, "They do not differ."));
  };
  draw(list.length > 1);
  return [checkbox("Only what differs", list.length > 1, draw), box];
}
