// The table of runs: sorts, filters, and shows the columns that are asked for. Of many rows only those in view are elements.

import { counted, grouped, oneLine } from "./text.js";
import { clear, el, link, mono } from "./dom.js";
import { choose, chooseNone, chosen, checkbox, labelled, select, whenChosen } from "./controls.js";
import { experimentOf, experiments, runs } from "./data.js";
import { ABOUT_COLUMNS, columnOf, filterView, firstColumns, keysOfRuns, nameCell, sorted, valuesOf } from "./columns.js";
import { meets, parseFilter, FilterRefused } from "./filter/filter.js";

const ROW_HEIGHT = 34;

const tableState = { filter: "", experiment: "", columns: null, sort: "start", descending: true, list: null, unknown: 0, refused: null, scroll: 0 };

export function showExperiment(id) {
  Object.assign(tableState, { experiment: id, filter: "", list: null });
}

// The runs that meet what is asked for, in the order of the table.
export function shownRuns() {
  if (tableState.list) return tableState.list;
  let found = tableState.experiment ? runs.filter((run) => run.x === tableState.experiment) : runs;
  tableState.unknown = 0;
  tableState.refused = null;
  if (tableState.filter !== "") {
    try {
      const clauses = parseFilter(tableState.filter);
      found = found.filter((run) => {
        const met = meets(clauses, filterView(run));
        if (met === null) tableState.unknown += 1;
        return met === true;
      });
    } catch (error) {
      if (!(error instanceof FilterRefused)) throw error;
      tableState.refused = error;
    }
  }
  // The newest first, and runs that are equal stay so.
  found = sorted(found, columnOf("start"), true);
  tableState.list = sorted(found, columnOf(tableState.sort), tableState.descending);
  return tableState.list;
}

export function shownColumns() {
  if (!tableState.columns) tableState.columns = firstColumns(innerWidth < 640);
  return tableState.columns.map(columnOf);
}

export function runsView() {
  if (runs.length === 0) return el("main", { id: "view" }, el("h1", {}, "Runs"), el("p", { class: "empty" }, "There are no runs."));
  const view = el("main", { id: "view", class: "wide" });
  const count = el("p", { class: "told", id: "told", "aria-live": "polite" });
  const grid = el("div", { class: "grid", tabindex: "0", role: "grid", "aria-label": "Runs", "aria-multiselectable": "true" });
  const table = makeTable(grid);
  const update = () => {
    tableState.list = null;
    const list = shownRuns();
    clear(count).append(...told(list));
    table.fill(list, shownColumns());
  };
  const panel = el("div", { class: "panel", hidden: true });
  const columns = el("button", { type: "button", "aria-expanded": "false", onclick: () => {
    panel.hidden = !panel.hidden;
    columns.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.hidden) columnPanel(clear(panel), () => table.fill(shownRuns(), shownColumns()));
  } }, "Columns");
  view.append(el("h1", {}, "Runs"), filterBar(update, columns), panel, count, grid, keysNote());
  requestAnimationFrame(update);
  return view;
}

function keysNote() {
  return el("p", { class: "note keys" }, "In the table: ↑ ↓ move, Space chooses a run to compare, Enter opens it. Click a heading to sort.");
}

function filterBar(update, columns) {
  const example = firstExample();
  const input = el("textarea", { id: "filter", class: "mono", rows: "1", spellcheck: "false", autocomplete: "off", placeholder: example, "aria-describedby": "told" }, tableState.filter);
  let timer = null;
  const apply = () => {
    clearTimeout(timer);
    tableState.filter = input.value;
    update();
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(apply, 200);
  });
  input.addEventListener("change", apply);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    apply();
  });
  const byName = experiments.map((experiment) => [experiment.i, oneLine(experiment.n)]);
  const list = experiments.length > 1 ? labelled("Experiment", select([["", "all"], ...byName], tableState.experiment, (value) => {
    tableState.experiment = value;
    update();
  })) : null;
  return el("div", { class: "controls" }, el("label", { class: "control grow" }, el("span", {}, "Filter, in MLflow's search syntax"), input), list, columns, compareButton());
}

function firstExample() {
  const keys = keysOfRuns();
  const quoted = (key) => (/^[A-Za-z_][\w.]*$/.test(key) ? key : "`" + key + "`");
  const shownKeys = shownColumns().filter((column) => column.kind === "metric" || column.kind === "param");
  const metric = shownKeys.find((column) => column.kind === "metric") || (keys.m[0] && columnOf("m:" + keys.m[0][0]));
  const param = shownKeys.find((column) => column.kind === "param");
  const some = (column) => valuesOf(column).filter((value) => value !== undefined && !Number.isNaN(value));
  const middle = metric ? some(metric).sort((a, b) => a - b)[Math.floor(some(metric).length / 2)] : undefined;
  const first = middle === undefined ? "status = 'FINISHED'" : `metrics.${quoted(metric.title)} > ${Number(middle.toPrecision(2))}`;
  const value = param ? some(param)[0] : undefined;
  return oneLine(value === undefined || value.includes("'") || value.length > 30 ? first : `${first} AND params.${quoted(param.title)} = '${value}'`);
}

function compareButton() {
  const button = el("a", { class: "button", href: "#/compare" });
  const none = el("button", { type: "button", onclick: chooseNone }, "Clear choice");
  const show = () => {
    button.textContent = chosen.size > 0 ? `Compare ${grouped(chosen.size)}` : "Compare";
    button.classList.toggle("primary", chosen.size > 0);
    none.hidden = chosen.size === 0;
  };
  show();
  const stop = whenChosen(() => (button.isConnected ? show() : stop()));
  return [button, none];
}

function told(list) {
  const parts = [`${grouped(list.length)} of ${counted(runs.length, "runs")}`];
  const experiment = experimentOf.get(tableState.experiment);
  if (experiment) parts.push(" in ", el("bdi", {}, oneLine(experiment.n)));
  const { refused, unknown } = tableState;
  if (refused) {
    const where = el("bdi", { class: "mono" }, oneLine(refused.near));
    return [el("span", { class: "refused", role: "alert" }, "This is not a valid filter: ", el("bdi", {}, oneLine(refused.reason)), `, at character ${refused.character} (`, where, ")"), " — all runs are shown"];
  }
  if (unknown > 0) parts.push(`; for ${counted(unknown, "further runs")} it is not known, because this page has only the start of a text: `, mono("mlark ls ARCHIVE runs --filter …"), " tells");
  return parts;
}

// A dialog to choose columns.
function columnPanel(panel, update) {
  const keys = keysOfRuns();
  const search = el("input", { type: "search", placeholder: "Find a column", "aria-label": "Find a column" });
  const lists = el("div", { class: "columns" });
  const group = (title, ids) => {
    const wanted = search.value.toLowerCase();
    const some = ids.filter((id) => columnOf(id).title.toLowerCase().includes(wanted));
    if (some.length === 0) return;
    const boxes = some.slice(0, 100).map((id) => checkbox(el("bdi", {}, oneLine(columnOf(id).title)), tableState.columns.includes(id), (isOn) => {
      tableState.columns = isOn ? [...tableState.columns, id] : tableState.columns.filter((other) => other !== id);
      update();
    }));
    const more = some.length > 100 ? el("p", { class: "note" }, `and ${grouped(some.length - 100)} more: search for them`) : null;
    lists.append(el("fieldset", {}, el("legend", {}, title), boxes, more));
  };
  const fill = () => {
    clear(lists);
    group("Run", ABOUT_COLUMNS);
    group("Metrics", keys.m.map(([key]) => "m:" + key));
    group("Params", keys.p.map(([key]) => "p:" + key));
    group("Tags", keys.t.map(([key]) => "t:" + key));
  };
  search.addEventListener("input", fill);
  const reset = el("button", { type: "button", onclick: () => {
    tableState.columns = firstColumns(innerWidth < 640);
    fill();
    update();
  } }, "Reset");
  panel.append(el("div", { class: "controls" }, search, reset), lists);
  fill();
  search.focus();
}

// The table itself: rows of one height, of which those in view are elements.
function makeTable(grid) {
  const state = { list: [], columns: [], active: 0, first: -1 };
  const head = el("div", { class: "row head", role: "row" });
  const body = el("div", { class: "body", role: "presentation" });
  grid.append(head, body);
  const render = (force) => renderRows(grid, body, state, force);
  grid.addEventListener("scroll", () => {
    tableState.scroll = grid.scrollTop;
    render(false);
  });
  grid.addEventListener("keydown", (event) => tableKey(event, grid, state, render));
  const stop = whenChosen(() => (grid.isConnected ? render(true) : stop()));
  const resize = new ResizeObserver(() => (grid.isConnected ? render(false) : resize.disconnect()));
  resize.observe(grid);
  return {
    fill: (list, columns) => {
      Object.assign(state, { list, columns, first: -1, active: Math.min(state.active, Math.max(0, list.length - 1)) });
      const isNarrow = grid.clientWidth < 560;
      const widths = columns.map((column, at) => (isNarrow && at === 0 ? 170 : column.width));
      const total = 40 + widths.reduce((sum, width) => sum + width, 0);
      grid.style.setProperty("--columns", `40px ${widths.map((width, at) => (at === 0 ? `minmax(${width}px, 2fr)` : `minmax(${width}px, 1fr)`)).join(" ")}`);
      grid.style.setProperty("--total", total + "px");
      grid.setAttribute("aria-rowcount", list.length + 1);
      fillHead(clear(head), columns, () => {
        tableState.list = null;
        state.list = shownRuns();
        state.first = -1;
        fillHeads();
        render(true);
      });
      body.style.height = list.length * ROW_HEIGHT + "px";
      grid.scrollTop = tableState.scroll;
      render(true);
    },
  };
  function fillHeads() {
    for (const cell of head.querySelectorAll("[data-column]")) cell.setAttribute("aria-sort", sortOf(cell.dataset.column));
  }
}

function sortOf(id) {
  return tableState.sort !== id ? "none" : tableState.descending ? "descending" : "ascending";
}

function fillHead(head, columns, update) {
  head.append(el("span", { role: "columnheader", class: "cell" }, el("span", { class: "unseen" }, "Chosen")));
  for (const column of columns) {
    const button = el("button", { type: "button", onclick: () => {
      tableState.descending = tableState.sort === column.id ? !tableState.descending : Boolean(column.isNumber);
      tableState.sort = column.id;
      update();
    } }, column.kind ? el("span", { class: "of" }, column.kind) : null, el("bdi", {}, oneLine(column.title)));
    head.append(el("span", { role: "columnheader", class: column.isNumber ? "cell number" : "cell", "data-column": column.id, "aria-sort": sortOf(column.id), title: oneLine(column.title) }, button));
  }
}

function renderRows(grid, body, state, force) {
  const first = Math.max(0, Math.floor(grid.scrollTop / ROW_HEIGHT) - 10);
  const count = Math.ceil((grid.clientHeight || 600) / ROW_HEIGHT) + 20;
  if (!force && Math.abs(first - state.first) < 8) return;
  state.first = first;
  const hadFocus = body.contains(document.activeElement);
  const rows = state.list.slice(first, first + count).map((run, at) => rowOf(run, first + at, state, () => renderRows(grid, body, state, true)));
  clear(body).append(...rows);
  if (state.list.length === 0) body.append(el("p", { class: "empty" }, "No runs match."));
  // What had the focus is another element now.
  if (hadFocus) grid.focus({ preventScroll: true });
}

function rowOf(run, number, state, render) {
  const isChosen = chosen.has(run.i);
  const box = el("input", { type: "checkbox", tabindex: "-1", checked: isChosen, "aria-label": "Choose to compare", onchange: () => choose(run.i, box.checked) });
  const row = el("div", {
    class: `row${isChosen ? " chosen" : ""}${number === state.active ? " active" : ""}`, role: "row", "aria-rowindex": number + 2, "aria-selected": String(isChosen),
    css: { top: number * ROW_HEIGHT + "px" },
  }, el("span", { class: "cell", role: "gridcell" }, box));
  state.columns.forEach((column) => {
    const cell = column.id === "name" ? nameCell(run) : column.cell(run);
    row.append(el("span", { class: column.isNumber ? "cell number" : "cell", role: "gridcell" }, cell));
  });
  // Arrow keys reach every row; Tab leaves the table, which it never would if each row that comes into view held it.
  for (const inner of row.querySelectorAll("a")) inner.tabIndex = -1;
  row.addEventListener("click", () => {
    state.active = number;
    for (const other of row.parentNode ? row.parentNode.children : []) other.classList.toggle("active", other === row);
  });
  return row;
}

function tableKey(event, grid, state, render) {
  if (event.target.closest("input, button, a") && event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const page = Math.max(1, Math.floor(grid.clientHeight / ROW_HEIGHT) - 2);
  const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -state.list.length, End: state.list.length };
  const run = state.list[state.active];
  if (moves[event.key] !== undefined) {
    state.active = Math.max(0, Math.min(state.list.length - 1, state.active + moves[event.key]));
    const [top, bottom] = [state.active * ROW_HEIGHT, (state.active + 1) * ROW_HEIGHT + ROW_HEIGHT];
    if (grid.scrollTop > top) grid.scrollTop = top;
    else if (grid.scrollTop + grid.clientHeight < bottom) grid.scrollTop = bottom - grid.clientHeight;
    render(true);
  } else if (event.key === " " && run) choose(run.i, !chosen.has(run.i));
  else if (event.key === "Enter" && run) location.hash = "#/run/" + encodeURIComponent(run.i);
  else return;
  event.preventDefault();
}

// All runs of the table in a plain one, for paper.
export function plainTable(most) {
  const [list, columns] = [shownRuns(), shownColumns()];
  const head = el("tr", {}, columns.map((column) => el("th", { scope: "col" }, oneLine(column.title))));
  const rows = list.slice(0, most).map((run) => el("tr", {}, columns.map((column) => el("td", {}, column.id === "name" ? nameCell(run) : column.cell(run)))));
  const note = list.length > most ? el("p", { class: "note" }, `The first ${grouped(most)} of ${counted(list.length, "runs")}.`) : null;
  return [el("div", { class: "scroll", tabindex: "0" }, el("table", {}, el("thead", {}, head), el("tbody", {}, rows))), note, el("p", { class: "noprint" }, link(["runs"], "Filter and sort them"))];
}
