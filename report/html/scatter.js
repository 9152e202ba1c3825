// Params against metrics: a dot for each run.

import { brief, duration, grouped, oneLine, plain, short } from "./text.js";
import { clear, el, svg, user } from "./dom.js";
import { labelled, checkbox, select } from "./controls.js";
import { columnOf, keysOfRuns, valuesOf } from "./columns.js";
import { runName, runs } from "./data.js";
import { shownRuns } from "./runs.js";

const MOST_CATEGORIES = 24;
const MOST_DOTS = 5000;
const plotState = { x: null, y: null, logX: false, logY: false };

function axisOptions() {
  const keys = keysOfRuns();
  const some = (kind, name) => keys[kind].slice(0, 300).map(([key]) => [kind + ":" + key, `${name} ${oneLine(key)}`]);
  return [["start", "start time"], ["duration", "duration"], ...some("p", "param"), ...some("m", "metric")];
}

export function scatterView() {
  const options = axisOptions();
  const metrics = options.filter(([id]) => id.startsWith("m:"));
  if (metrics.length === 0) return el("main", { id: "view" }, el("h1", {}, "Scatter"), el("p", { class: "empty" }, "No run has a metric."));
  const isVaried = (id) => new Set(valuesOf(columnOf(id)).filter((value) => value !== undefined)).size > 1;
  const params = options.filter(([id]) => id.startsWith("p:")).map(([id]) => id);
  plotState.y = plotState.y || metrics[0][0];
  plotState.x = plotState.x || params.slice(0, 40).find((id) => isVaried(id) && columnOf(id).isNumber) || params.find(isVaried) || "start";
  const box = el("div", { class: "scatter" });
  const draw = () => drawScatter(clear(box));
  const set = (name) => (value) => {
    plotState[name] = value;
    draw();
  };
  const view = el(
    "main", { id: "view" },
    el("h1", {}, "Scatter"),
    el("p", { class: "lead" }, "Each dot is a run in the table of runs, with the filter set there. Arrow keys move from dot to dot, Enter opens the run."),
    el(
      "div", { class: "controls" },
      labelled("X axis", select(options, plotState.x, set("x"))),
      labelled("Y axis", select(options, plotState.y, set("y"))),
      checkbox("log x", plotState.logX, set("logX")),
      checkbox("log y", plotState.logY, set("logY")),
    ),
    box,
  );
  requestAnimationFrame(draw);
  return view;
}

// A scale of numbers, or of categories in their order.
function scaleOf(values, column, isLog, length) {
  const isCategory = !column.isNumber;
  if (isCategory) {
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
    const all = [...counts].sort((a, b) => b[1] - a[1]).slice(0, MOST_CATEGORIES).map(([value]) => value).sort();
    const place = new Map(all.map((value, at) => [value, ((at + 0.5) / all.length) * length]));
    return { place: (value) => place.get(value), ticks: all.map((value) => [place.get(value), oneLine(value).slice(0, 14)]) };
  }
  const numbers = values.map(Number).filter((value) => Number.isFinite(value) && (!isLog || value > 0));
  const of = isLog ? Math.log10 : (value) => value;
  let [low, high] = numbers.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]).map(of);
  if (low === high) [low, high] = [low - 1, high + 1];
  const pad = (high - low) * 0.04;
  [low, high] = [low - pad, high + pad];
  const place = (value) => {
    const number = Number(value);
    return Number.isFinite(number) && (!isLog || number > 0) ? ((of(number) - low) / (high - low)) * length : undefined;
  };
  const words = column.id === "duration" ? (value) => duration(value) : column.id === "start" ? (value) => new Date(value).toISOString().slice(0, 10) : short;
  const ticks = niceTicks(low, high, isLog).map((tick) => [((tick - low) / (high - low)) * length, words(isLog ? 10 ** tick : tick)]);
  return { place, ticks };
}

function niceTicks(low, high, isLog) {
  const raw = (high - low) / 5;
  const size = 10 ** Math.floor(Math.log10(raw));
  let step = [1, 2, 5, 10].map((factor) => factor * size).find((step) => step >= raw) || raw;
  if (isLog) step = Math.max(1, Math.round(step));
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high && ticks.length < 20; tick += step) ticks.push(Number(tick.toPrecision(12)));
  return ticks;
}

function drawScatter(box) {
  const [across, up] = [columnOf(plotState.x), columnOf(plotState.y)];
  const [xs, ys] = [valuesOf(across), valuesOf(up)];
  const list = shownRuns().filter((run) => xs[run.row] !== undefined && ys[run.row] !== undefined);
  const [left, right, top, bottom] = [64, 12, 30, across.isNumber ? 50 : 92];
  const width = Math.max(300, box.clientWidth) - left - right;
  const height = Math.max(260, Math.min(520, width * 0.6));
  const x = scaleOf(list.map((run) => xs[run.row]), across, plotState.logX, width);
  const y = scaleOf(list.map((run) => ys[run.row]), up, plotState.logY, height);
  const dots = list
    .map((run) => ({ run, x: x.place(xs[run.row]), y: y.place(ys[run.row]) }))
    .filter((dot) => dot.x !== undefined && dot.y !== undefined)
    .sort((a, b) => a.x - b.x || a.y - b.y);
  const some = dots.slice(0, MOST_DOTS);
  const told = el("p", { class: "told", "aria-live": "polite" }, "\u00a0");
  const plot = svg("g", { transform: `translate(${left} ${top})` });
  for (const [at, text] of x.ticks) {
    plot.append(svg("line", { class: "grid", x1: at, x2: at, y1: 0, y2: height }));
    plot.append(svg("text", { class: "tick", x: at, y: height + 18, "text-anchor": across.isNumber ? "middle" : "end", transform: across.isNumber ? null : `rotate(-24 ${at} ${height + 18})` }, text));
  }
  for (const [at, text] of y.ticks) {
    plot.append(svg("line", { class: "grid", x1: 0, x2: width, y1: height - at, y2: height - at }));
    plot.append(svg("text", { class: "tick", x: -8, y: height - at + 4, "text-anchor": "end" }, text));
  }
  plot.append(svg("text", { class: "axis", x: -left + 10, y: -12 }, brief(up.title, 60)));
  plot.append(svg("text", { class: "axis", x: width, y: height + bottom - 10, "text-anchor": "end" }, brief(across.title, 60)));
  const marks = some.map((dot) => svg("circle", { class: "dot", cx: dot.x, cy: height - dot.y, r: 4 }));
  plot.append(...marks);
  const surface = svg("svg", {
    width: width + left + right, height: height + top + bottom, role: "application", tabindex: 0,
    "aria-label": `${grouped(dots.length)} runs: ${oneLine(up.title)} over ${oneLine(across.title)}`,
  }, plot);
  const pick = picker(some, marks, told, [across, up]);
  surface.addEventListener("pointermove", (event) => {
    const bounds = surface.getBoundingClientRect();
    pick.nearest(event.clientX - bounds.left - left, height - (event.clientY - bounds.top - top));
  });
  surface.addEventListener("click", pick.open);
  surface.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      pick.move(event.key === "ArrowRight" ? 1 : -1);
      event.preventDefault();
    } else if (event.key === "Enter") pick.open();
  });
  const without = runs.length - dots.length;
  const note = `${grouped(dots.length)} runs` + (without > 0 ? `; ${grouped(without)} are filtered out, or lack one of the two values` : "");
  const more = dots.length > some.length ? `; the first ${grouped(some.length)} are drawn` : "";
  box.append(surface, told, el("p", { class: "note" }, note + more + "."));
}

// The dot that is looked at.
function picker(dots, marks, told, [across, up]) {
  let at = -1;
  const look = (next) => {
    if (next === at || !dots[next]) return;
    if (marks[at]) marks[at].classList.remove("on");
    at = next;
    marks[at].classList.add("on");
    const { run } = dots[at];
    const value = (column) => `${oneLine(column.title)} ${oneLine(plain(column.value(run)))}`;
    clear(told).append(user(runName(run)), ` — ${value(across)}, ${value(up)}`);
  };
  return {
    move: (by) => look(Math.max(0, Math.min(dots.length - 1, at + by))),
    nearest: (x, y) => {
      let [best, least] = [-1, 900];
      dots.forEach((dot, number) => {
        const far = (dot.x - x) ** 2 + (dot.y - y) ** 2;
        if (far < least) [best, least] = [number, far];
      });
      if (best >= 0) look(best);
    },
    open: () => {
      if (dots[at]) location.hash = "#/run/" + encodeURIComponent(dots[at].run.i);
    },
  };
}
