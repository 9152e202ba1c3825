// Curves: points in a plot that uPlot draws, with a legend of our own.

import { duration, grouped, oneLine, plain, short, timeOf } from "./text.js";
import { el, svg } from "./dom.js";
import { colour, lineStyle } from "./controls.js";

// Values of a curve along an axis, in its order.
function along(curve, axis) {
  const start = curve.times[0];
  const x = (at) =>
    axis === "step" ? curve.steps[at] : axis === "time" ? curve.times[at] / 1000 : (curve.times[at] - start) / 1000;
  const order = curve.values.map((_, at) => at);
  order.sort((a, b) => x(a) - x(b) || a - b);
  return { xs: order.map(x), ys: order.map((at) => curve.values[at]) };
}

// A moving mean that forgets: `weight` of what came before stays.
function smoothed(values, weight) {
  let [sum, debt] = [0, 1];
  return values.map((value) => {
    sum = sum * weight + (1 - weight) * value;
    debt *= weight;
    return sum / (1 - debt);
  });
}

function tables(curves, options) {
  const all = [];
  for (const { curve } of curves) {
    const { xs, ys } = along(curve, options.axis);
    const values = options.smoothing > 0 ? smoothed(ys, options.smoothing) : ys;
    const drawn = (list) => (options.log ? list.map((y) => (y > 0 ? y : null)) : list);
    all.push([xs, drawn(values)]);
    if (options.smoothing > 0) all.push([xs, drawn(ys)]);
  }
  return all;
}

function seriesOf(curves, options) {
  const series = [{}];
  curves.forEach(({ number }) => {
    const style = lineStyle(number);
    const points = { size: 5, space: 0, show: (plot, at) => plot.data[at].filter((value) => value !== null).length < 3 };
    series.push({ stroke: style.stroke, dash: style.dash, width: 1.75, spanGaps: true, points });
    if (options.smoothing > 0) series.push({ stroke: style.stroke, alpha: 0.25, width: 1, spanGaps: true, points: { show: false } });
  });
  return series;
}

function axisText(axis) {
  return { step: "step", time: "time (UTC)", relative: "time since the first point" }[axis];
}

function xLabel(axis, value) {
  if (axis === "time") return timeOf(value * 1000);
  return axis === "relative" ? duration(value * 1000) : "step " + grouped(value);
}

// Draws curves `[{curve, number, name}]` into a box; the number tells a line's colour.
export function drawChart(box, title, curves, options) {
  const shownCurves = curves.filter(({ curve }) => curve.values.length > 0);
  const figure = el("figure", { class: "chart" }, el("figcaption", {}, el("bdi", {}, oneLine(title))));
  box.append(figure);
  if (shownCurves.length === 0) {
    figure.append(el("p", { class: "empty" }, "It has no points that can be drawn."));
    return null;
  }
  const legend = legendOf(shownCurves, options);
  const place = el("div", { class: "plot", role: "img", "aria-label": described(title, shownCurves) });
  figure.append(place, legend.list);
  const width = Math.max(240, place.clientWidth || 480);
  const plot = new uPlot(plotOptions(width, shownCurves, options, legend), uPlot.join(tables(shownCurves, options)), place);
  const resize = new ResizeObserver(() => {
    if (!place.isConnected) return resize.disconnect();
    if (Math.abs(place.clientWidth - plot.width) > 4) plot.setSize({ width: place.clientWidth, height: options.height || 240 });
    return undefined;
  });
  resize.observe(place);
  return plot;
}

function plotOptions(width, curves, options, legend) {
  const ink = colour("soft");
  const grid = { stroke: colour("line"), width: 1 };
  const axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui, sans-serif" };
  const times = options.axis === "relative" ? { values: (_, ticks) => ticks.map((tick) => duration(tick * 1000)) } : {};
  return {
    width,
    height: options.height || 240,
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: { drag: { x: true, y: false }, points: { size: 6 } },
    scales: { x: { time: options.axis === "time" }, y: { distr: options.log ? 3 : 1 } },
    series: seriesOf(curves, options),
    axes: [
      { ...axis, ...times, label: axisText(options.axis), labelFont: "12px system-ui, sans-serif", labelSize: 18, size: 34 },
      { ...axis, size: 62, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : short(tick))) },
    ],
    hooks: { setCursor: [(plot) => legend.show(plot)] },
  };
}

function described(title, curves) {
  const parts = curves.map(({ curve, name }) => `${oneLine(plain(name))}: from ${short(curve.min)} to ${short(curve.max)}`);
  return `${oneLine(title)}. ${parts.slice(0, 8).join("; ")}`;
}

// Which line is whose, how many of its points are drawn, and the value under the pointer.
function legendOf(curves, options) {
  const values = [];
  const where = el("li", { class: "where" }, axisText(options.axis));
  const list = el("ul", { class: "legend" });
  for (const { curve, number, name } of curves) {
    const value = el("span", { class: "value" }, "");
    values.push(value);
    const swatch = el("span", { class: "swatch", css: { "background-color": lineStyle(number).stroke } });
    list.append(el("li", {}, swatch, el("bdi", {}, oneLine(plain(name))), value, el("span", { class: "note" }, drawnOf(curve, options))));
  }
  list.append(where);
  const step = options.smoothing > 0 ? 2 : 1;
  const show = (plot) => {
    const at = plot.cursor.idx;
    where.textContent = at === null || at === undefined ? axisText(options.axis) : xLabel(options.axis, plot.data[0][at]);
    values.forEach((value, number) => {
      const y = at === null || at === undefined ? null : plot.data[1 + number * step][at];
      value.textContent = y === null || y === undefined ? "" : short(y);
    });
  };
  return { list, show };
}

// "n of m points", and what of them no plot can show.
export function drawnOf(curve, options) {
  const drawn = curve.values.length;
  const finite = curve.points - curve.notFinite;
  const parts = [drawn < finite ? `${grouped(drawn)} of ${grouped(curve.points)} points` : grouped(curve.points) + (curve.points === 1 ? " point" : " points")];
  if (curve.notFinite > 0) parts.push(`${grouped(curve.notFinite)} NaN or infinite, the first at step ${curve.firstNotFinite}`);
  if (options && options.log) {
    const hidden = curve.values.filter((value) => value <= 0).length;
    if (hidden > 0) parts.push(`${grouped(hidden)} not above 0 and so not on a log scale`);
  }
  return parts.join(", ");
}

// A curve as a small line.
export function sparkline(curve) {
  const [width, height] = [120, 26];
  const { xs, ys } = along(curve, "step");
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const [first, last] = [xs[0], xs[xs.length - 1]];
  const x = (at) => (last === first ? width / 2 : 2 + ((xs[at] - first) / (last - first)) * (width - 4));
  const y = (at) => (high === low ? height / 2 : height - 3 - ((ys[at] - low) / (high - low)) * (height - 6));
  const points = ys.map((_, at) => `${x(at).toFixed(1)},${y(at).toFixed(1)}`).join(" ");
  const line =
    ys.length === 1
      ? svg("circle", { cx: x(0), cy: y(0), r: 2, class: "spark-dot" })
      : svg("polyline", { points, class: "spark" });
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, line);
}
