// Where an object came from, as a drawing: version → model → run → datasets → the places before.

import { brief, dayOf, oneLine, plain } from "./text.js";
import { el, svg } from "./dom.js";
import { datasetOf, experimentName, loggedOf, loggedOfRun, runName, runOf, versionsOfLogged, versionsOfRun } from "./data.js";
import { parentOf } from "./data.js";

const BOX = { width: 196, height: 50, gapX: 60, gapY: 14 };
const MOST_IN_COLUMN = 12;
const COLUMNS = ["versions", "models", "runs", "what they read", "before this archive"];

// Nodes and edges as they are found; each node once.
function newGraph() {
  const nodes = new Map();
  const edges = new Map();
  const add = (id, column, kind, title, more, route) => {
    if (!nodes.has(id)) nodes.set(id, { id, column, kind, title: plain(title), more, route });
    return id;
  };
  const join = (from, to, how) => edges.set(from + "\u0000" + to, { from, to, how });
  return { nodes, edges, add, join };
}

function addHops(graph, id, row) {
  let from = id;
  const hops = (row.h || []).slice().reverse();
  hops.forEach((hop, at) => {
    const where = hop.server || hop.origin || "an unknown place";
    const more = [hop.time ? hop.time.slice(0, 10) : null, hop.by ? `according to ${hop.by}` : null].filter(Boolean).join(", ");
    const node = graph.add(`hop ${where} ${hop.id}`, 4 + at, at === hops.length - 1 ? "first origin" : "was in", where, more || hop.id, null);
    graph.join(from, node, at === 0 ? "copy of" : "from");
    from = node;
  });
}

function addRun(graph, id, seen = new Set()) {
  const run = runOf.get(id);
  const node = graph.add("run " + id, 2, "run", run ? runName(run) : id, run ? experimentName(run.x) : "not on this page", run ? ["run", id] : null);
  if (!run || seen.has(id)) return node;
  seen.add(id);
  for (const [name, digest, context] of run.ds || []) {
    const dataset = datasetOf.get(run.x + "/" + name + "/" + digest);
    const route = dataset ? ["dataset", run.x, name, digest] : null;
    graph.join(node, graph.add(`dataset ${run.x}/${name}/${digest}`, 3, "dataset", name, context || digest, route), "read");
  }
  for (const model of run.mi || []) graph.join(node, addLogged(graph, model, seen, 3), "read");
  const parent = parentOf(run);
  if (parent) {
    const above = runOf.get(parent);
    const id = graph.add("run " + parent, 2, "parent run", above ? runName(above) : parent, above ? experimentName(above.x) : "not on this page", above ? ["run", parent] : null);
    graph.join(node, id, "child of");
  }
  addHops(graph, node, run);
  return node;
}

function addLogged(graph, id, seen, column = 1) {
  const model = loggedOf.get(id);
  const node = graph.add("logged " + id, column, "logged model", model && model.n ? model.n : id, model && model.ty ? model.ty : id, model ? ["logged", id] : null);
  if (model && model.r && column === 1) graph.join(node, addRun(graph, model.r, seen), "made by");
  return node;
}

function addVersion(graph, version, seen) {
  const id = version.n + "/" + version.v;
  const node = graph.add("version " + id, 0, "model version", version.n, "version " + version.v, ["version", version.n, version.v]);
  const hasModel = version.m && loggedOf.has(version.m);
  if (version.m) graph.join(node, addLogged(graph, version.m, seen), "made of");
  if (version.r && !(hasModel && loggedOf.get(version.m).r === version.r)) graph.join(node, addRun(graph, version.r, seen), "made by");
  if (!version.r) addHops(graph, node, version);
  return node;
}

export function lineageOfVersion(version) {
  const graph = newGraph();
  return drawGraph(graph, addVersion(graph, version, new Set()));
}

export function lineageOfRun(run) {
  const graph = newGraph();
  const seen = new Set();
  const node = addRun(graph, run.i, seen);
  for (const id of loggedOfRun(run)) {
    graph.join(addLogged(graph, id, seen), node, "made by");
    for (const version of versionsOfLogged(id)) addVersion(graph, version, seen);
  }
  for (const version of versionsOfRun(run.i)) addVersion(graph, version, seen);
  return drawGraph(graph, node);
}

export function lineageOfLogged(model) {
  const graph = newGraph();
  const seen = new Set();
  const node = addLogged(graph, model.i, seen);
  for (const version of versionsOfLogged(model.i)) addVersion(graph, version, seen);
  return drawGraph(graph, node);
}

function drawGraph({ nodes, edges }, root) {
  if (nodes.size < 2) return el("p", { class: "empty" }, "The archive does not say where it came from or what was made from it.");
  const columns = [];
  for (const node of nodes.values()) (columns[node.column] = columns[node.column] || []).push(node);
  const used = columns.map((list, column) => ({ list, column })).filter(({ list }) => list && list.length > 0);
  let left = 0;
  const hidden = used.map(({ list }) => Math.max(0, list.length - MOST_IN_COLUMN));
  const most = Math.max(...used.map(({ list }) => Math.min(list.length, MOST_IN_COLUMN)));
  const height = 26 + most * (BOX.height + BOX.gapY) + (hidden.some((count) => count > 0) ? 20 : 0);
  const drawing = svg("g", {});
  const heads = svg("g", {});
  used.forEach(({ list, column }, place) => {
    const some = list.slice(0, MOST_IN_COLUMN);
    const title = column < 4 ? COLUMNS[column] : COLUMNS[4];
    if (column <= 4) heads.append(svg("text", { class: "tick", x: left, y: 12 }, title));
    some.forEach((node, at) => Object.assign(node, { x: left, y: 26 + at * (BOX.height + BOX.gapY) }));
    if (hidden[place] > 0) heads.append(svg("text", { class: "tick", x: left, y: height - 6 }, `and ${hidden[place]} more`));
    left += BOX.width + BOX.gapX;
  });
  const width = left - BOX.gapX + 2;
  for (const edge of edges.values()) drawing.append(...edgeOf(nodes.get(edge.from), nodes.get(edge.to), edge.how));
  for (const node of nodes.values()) if (node.x !== undefined) drawing.append(boxOf(node, node.id === root));
  const label = "Where it came from: " + [...edges.values()].map(({ from, to, how }) => `${nodes.get(from).title} ${how} ${nodes.get(to).title}`).slice(0, 20).map(oneLine).join("; ");
  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label }, heads, drawing);
  return el("div", { class: "scroll graph", tabindex: "0" }, picture);
}

function edgeOf(from, to, how) {
  if (from.x === undefined || to.x === undefined) return [];
  const middle = BOX.height / 2;
  if (from.x === to.x) {
    const [x, y] = [from.x + BOX.width, from.y + middle];
    const bow = `M${x} ${y} C${x + 34} ${y} ${x + 34} ${to.y + middle} ${x + 6} ${to.y + middle}`;
    return [svg("path", { class: "edge", d: bow }, svg("title", {}, how)), arrow(x + 6, to.y + middle, -1)];
  }
  const forward = to.x > from.x;
  const [x1, x2] = forward ? [from.x + BOX.width, to.x - 6] : [from.x, to.x + BOX.width + 6];
  const [y1, y2] = [from.y + middle, to.y + middle];
  const bend = (x2 - x1) / 2;
  const line = svg("path", { class: "edge", d: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` }, svg("title", {}, how));
  const word = svg("text", { class: "how", x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 5, "text-anchor": "middle" }, how);
  return [line, arrow(x2, y2, forward ? 1 : -1), word];
}

function arrow(x, y, way) {
  return svg("path", { class: "arrow", d: `M${x} ${y - 4} L${x + 6 * way} ${y} L${x} ${y + 4} Z` });
}

function boxOf(node, isRoot) {
  const inner = [
    svg("rect", { class: isRoot ? "box root" : "box", x: node.x, y: node.y, width: BOX.width, height: BOX.height, rx: 5 }),
    svg("text", { class: "kind", x: node.x + 10, y: node.y + 14 }, node.kind),
    svg("text", { class: "name", x: node.x + 10, y: node.y + 29 }, brief(node.title, 20)),
    svg("text", { class: "kind", x: node.x + 10, y: node.y + 43 }, brief(node.more || "", 25)),
    svg("title", {}, `${node.kind} ${oneLine(node.title)} ${oneLine(plain(node.more || ""))}`),
  ];
  if (!node.route) return svg("g", {}, inner);
  return svg("a", { href: "#/" + node.route.map(encodeURIComponent).join("/") }, inner);
}

// The places where an object was before, in words.
export function hopList(row) {
  if (!row.h || row.h.length === 0) return null;
  const items = row.h.map((hop) => {
    const parts = [hop.server || hop.origin || "an unknown place", `as ${oneLine(hop.id)}`];
    if (hop.time) parts.push(`taken from there ${dayOf(Date.parse(hop.time)) || hop.time}`);
    if (hop.by) parts.push(`according to ${hop.by}`);
    return el("li", {}, el("bdi", {}, parts.map(oneLine).join(", ")));
  });
  if (row.hf) items.splice(1, 0, el("li", { class: "note" }, `${row.hf} further places in between`));
  return el("ol", { class: "hops" }, items);
}
