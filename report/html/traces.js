// Traces: a list, and each as a tree of its spans.

import { brief, counted, dayOf, duration, grouped, oneLine, plain, shown, timeOf } from "./text.js";
import { add, badge, clear, el, factList, inParts, keyTable, link, mono, pairs, prose, section, smallTable, stateBadge, user, valueOf } from "./dom.js";
import { experimentName, hasAll, loggedOf, spansOf, tag, traceOf, traces } from "./data.js";
import { fileSection, json, jsonTree } from "./files.js";
import { runLink } from "./models.js";
import { absentView } from "./run.js";

export function traceTable(list) {
  return inParts(list, (some) => smallTable(["Started (UTC)", "Trace", "Request", "Response", "Duration", "State"], some.map((trace) => [
    dayOf(trace.a), link(["trace", trace.i], user(traceName(trace))), trace.rq !== undefined ? user(brief(trace.rq, 120)) : "", trace.rs !== undefined ? user(brief(trace.rs, 120)) : "",
    el("span", { class: "number" }, trace.du === undefined ? "" : duration(Number(trace.du))), stateBadge(trace.s),
  ])), 100);
}

function traceName(trace) {
  const name = tag(trace, "mlflow.traceName");
  return name !== undefined && name !== "" ? name : trace.i;
}

export function tracesView() {
  const all = traces().slice().sort((a, b) => Number(b.a || 0) - Number(a.a || 0));
  if (all.length === 0) return el("main", { id: "view" }, el("h1", {}, "Traces"), el("p", { class: "empty" }, "There are no traces."));
  const box = el("div");
  const told = el("p", { class: "told", "aria-live": "polite" });
  const fill = (wanted) => {
    const isIn = (value) => value !== undefined && plain(value).toLowerCase().includes(wanted);
    const list = wanted === "" ? all : all.filter((trace) => [traceName(trace), trace.i, trace.rq, trace.rs, trace.s, experimentName(trace.x)].some(isIn));
    told.textContent = `${grouped(list.length)} of ${counted(all.length, "traces")}`;
    clear(box).append(list.length > 0 ? traceTable(list) : el("p", { class: "empty" }, "No trace has this text."));
  };
  const search = el("input", { type: "search", placeholder: "name, request, response, state", oninput: () => fill(search.value.toLowerCase()) });
  fill("");
  return el("main", { id: "view" }, el("h1", {}, "Traces"), el("div", { class: "controls" }, el("label", { class: "control grow" }, el("span", {}, "Find"), search)), told, box);
}

export function traceView(id) {
  const trace = traceOf(id);
  if (!trace) return absentView("trace", id);
  const found = spansOf(trace);
  return el(
    "main", { id: "view", class: "wide" },
    el("p", { class: "trail" }, link(["traces"], "Traces")),
    el("h1", {}, user(traceName(trace)), " ", stateBadge(trace.s)),
    factList([
      ["Trace ID", mono(trace.i)], ["Experiment", user(experimentName(trace.x))], ["Started", trace.a !== undefined ? timeOf(trace.a) + " UTC" : null], ["Duration", trace.du === undefined ? null : duration(Number(trace.du))],
      ["By run", trace.r ? runLink(trace.r) : null], ["Logged model", trace.m ? (loggedOf.has(trace.m) ? link(["logged", trace.m], mono(trace.m)) : mono(trace.m)) : null],
      ["Linked runs", (trace.lr || []).length > 0 ? trace.lr.map((run) => el("div", {}, runLink(run))) : null], ["Prompts", (trace.lp || []).map((prompt) => el("div", {}, promptLink(prompt)))[0] ? trace.lp.map((prompt) => el("div", {}, promptLink(prompt))) : null],
    ]),
    section("Spans", found ? found[1] : null, found ? spanTree(found) : el("p", { class: "empty" }, hasAll("spans of traces") ? "It has no spans." : "It has no spans, or this page had no room for them.")),
    assessments(trace),
    section("Tags", (trace.t || []).length / 2, keyTable(trace.t, "It has none.")),
    section("Metadata", (trace.md || []).length / 2, keyTable(trace.md, "It has none.")),
    section("Artifacts", null, fileSection("trace", trace.row, trace.i)),
  );
}

function promptLink(prompt) {
  const at = prompt.lastIndexOf("/");
  return at < 0 ? mono(prompt) : link(["version", prompt.slice(0, at), prompt.slice(at + 1)], user(prompt));
}

function assessments(trace) {
  if (!trace.as) return null;
  const rows = trace.as.map(([name, what, value, source, rationale, valid]) => [
    [user(name), valid === false ? [" ", badge("replaced", "warn")] : null], what, value === null ? "" : user(value), source.map(oneLine).join(", "), rationale ? prose(rationale) : "",
  ]);
  return section("Assessments", rows.length, smallTable(["Name", "What", "Value", "By", "Why"], rows));
}

// Spans in the order of a tree, each with its depth and its children.
function treeOrder(spans) {
  const byId = new Map(spans.map((span) => [span.i, span]));
  const children = new Map();
  const roots = [];
  for (const span of spans) {
    if (span.p !== undefined && span.p !== span.i && byId.has(span.p)) {
      if (!children.has(span.p)) children.set(span.p, []);
      children.get(span.p).push(span);
    } else roots.push(span);
  }
  const rows = [];
  const seen = new Set();
  const pending = roots.reverse().map((span) => [span, 0, null]);
  while (pending.length > 0) {
    const [span, depth, parent] = pending.pop();
    if (seen.has(span)) continue;
    seen.add(span);
    const below = children.get(span.i) || [];
    const row = { span, depth, parent, hasChildren: below.length > 0, isOpen: true };
    rows.push(row);
    for (const child of below.slice().reverse()) pending.push([child, depth + 1, row]);
  }
  // Spans whose parents go round in a circle belong to no root.
  for (const span of spans) if (!seen.has(span)) rows.push({ span, depth: 0, parent: null, hasChildren: false, isOpen: true });
  return rows;
}

function spanTree([spans, count]) {
  const rows = treeOrder(spans);
  const ends = spans.map((span) => Number(span.e ?? span.a ?? 0));
  const whole = Math.max(1, ...ends);
  const detail = el("div", { class: "span", "aria-live": "polite" });
  const tree = el("div", { class: "spans", role: "tree", "aria-label": "Spans", tabindex: "0" });
  const state = { rows, active: rows[0], whole };
  const draw = () => {
    const visible = rows.filter(isVisible);
    clear(tree).append(...visible.map((row) => spanRow(row, state, draw)));
    state.visible = visible;
  };
  state.look = (row) => {
    state.active = row;
    spanDetail(clear(detail), row.span);
    draw();
  };
  tree.addEventListener("keydown", (event) => treeKey(event, state, draw, tree));
  draw();
  spanDetail(detail, rows[0].span);
  const note = count > spans.length ? el("p", { class: "note" }, `The first ${grouped(spans.length)} of ${counted(count, "spans")}.`) : null;
  return el("div", { class: "trace" }, el("div", {}, tree, note), detail);
}

function isVisible(row) {
  for (let above = row.parent; above; above = above.parent) if (!above.isOpen) return false;
  return true;
}

function spanRow(row, state, draw) {
  const { span, depth } = row;
  const [start, end] = [Number(span.a || 0), Number(span.e ?? span.a ?? 0)];
  const percent = (part) => `${Math.max(0, Math.min(100, (part / state.whole) * 100)).toFixed(2)}%`;
  const lasts = span.e === undefined ? "open" : duration((end - start) / 1e6);
  const bar = el("span", { class: span.st === "ERROR" ? "time bad" : "time", css: { left: percent(start), width: `max(2px, ${percent(end - start)})` } });
  const twist = el("span", { class: "twist", "aria-hidden": "true", onclick: (event) => {
    event.stopPropagation();
    row.isOpen = !row.isOpen;
    draw();
  } }, row.hasChildren ? (row.isOpen ? "▾" : "▸") : "");
  const name = el("span", { class: "spanname", css: { "padding-left": Math.min(depth, 20) * 14 + "px" } }, twist, user(span.n), spanKind(span) ? el("span", { class: "of" }, oneLine(spanKind(span)).toLowerCase()) : null);
  return el("div", {
    class: row === state.active ? "spanrow on" : "spanrow", role: "treeitem", "aria-level": depth + 1, "aria-expanded": row.hasChildren ? String(row.isOpen) : null, "aria-selected": String(row === state.active),
    onclick: () => state.look(row),
  }, name, el("span", { class: "track" }, bar), el("span", { class: "number" }, lasts));
}

function treeKey(event, state, draw, tree) {
  const at = state.visible.indexOf(state.active);
  const row = state.active;
  if (event.key === "ArrowDown" && state.visible[at + 1]) state.look(state.visible[at + 1]);
  else if (event.key === "ArrowUp" && at > 0) state.look(state.visible[at - 1]);
  else if (event.key === "ArrowRight" && row.hasChildren) row.isOpen = true;
  else if (event.key === "ArrowLeft" && row.hasChildren && row.isOpen) row.isOpen = false;
  else if (event.key === "ArrowLeft" && row.parent) state.look(row.parent);
  else return;
  draw();
  const shownRow = tree.querySelector(".on");
  if (shownRow) shownRow.scrollIntoView({ block: "nearest" });
  event.preventDefault();
}

// MLflow keeps attributes as JSON: a text of it without its quotes.
function unquotedText(value) {
  const parsed = typeof value === "string" && value.startsWith('"') ? json(value) : undefined;
  return typeof parsed === "string" ? parsed : value;
}

// What kind of work a span is.
function spanKind(span) {
  const type = valueOf(span.at, "mlflow.spanType");
  const kind = type !== undefined ? plain(unquotedText(type)) : span.k;
  return kind && kind !== "UNKNOWN" ? kind : "";
}

// A text that may be JSON, as what it is.
function content(value) {
  const parsed = typeof value === "string" ? json(value) : undefined;
  if (parsed !== undefined && typeof parsed === "object" && parsed !== null) return jsonTree(parsed);
  return prose(typeof parsed === "string" ? parsed : value);
}

function spanDetail(box, span) {
  const lasts = span.e === undefined ? "still open" : duration((Number(span.e) - Number(span.a || 0)) / 1e6);
  add(
    box,
    el("h3", {}, user(span.n), " ", stateBadge(span.st === "UNSET" ? "" : span.st)),
    factList([["Began after", duration(Number(span.a || 0) / 1e6)], ["Lasted", lasts], ["Kind", oneLine(spanKind(span))], ["Span ID", mono(span.i)]]),
    span.ms ? prose(span.ms, { class: "prose bad" }) : null,
    el("h4", {}, "Inputs"), span.in !== undefined ? content(span.in) : el("p", { class: "empty" }, "none"),
    el("h4", {}, "Outputs"), span.out !== undefined ? content(span.out) : el("p", { class: "empty" }, "none"),
  );
  if (span.at) box.append(el("h4", {}, "Attributes"), keyTable(pairs(span.at).flatMap(([key, value]) => [key, unquotedText(value)]), ""));
  if (span.ev) {
    const rows = span.ev.map(([name, time, attributes]) => [user(name), time === null ? "" : duration(Number(time) / 1e6), content(attributes)]);
    box.append(el("h4", {}, "Events"), smallTable(["Event", "After", "What"], rows));
  }
}
