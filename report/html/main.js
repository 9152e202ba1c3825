// Which view is shown: the part of the address behind `#`.

import { clear, el } from "./dom.js";
import { oneLine } from "./text.js";
import { about, datasets, evaluationDatasets, logged, models, runs, scorers, traces } from "./data.js";
import { isDark } from "./controls.js";
import { overviewView } from "./overview.js";
import { plainTable, runsView } from "./runs.js";
import { compareView } from "./compare.js";
import { scatterView } from "./scatter.js";
import { runView } from "./run.js";
import { dataView, datasetView, evaluationView, loggedView, modelView, modelsView, versionView } from "./models.js";
import { tracesView, traceView } from "./traces.js";

const VIEWS = {
  "": overviewView, runs: runsView, compare: compareView, scatter: scatterView, run: runView, models: modelsView, model: modelView,
  version: versionView, logged: loggedView, data: dataView, dataset: datasetView, evaluation: evaluationView, traces: tracesView, trace: traceView, print: printView,
};
const SECTION_OF = { run: "runs", model: "models", version: "models", logged: "models", dataset: "data", evaluation: "data", trace: "traces" };
const MOST_PRINTED = 1000;

function hasTraces() {
  return document.getElementsByClassName("traces").length > 0;
}

function tabs() {
  const all = [["", "Overview", true], ["runs", "Runs", runs.length > 0], ["compare", "Compare", runs.length > 0], ["scatter", "Scatter", runs.length > 0],
    ["models", "Models", models.length + logged.length > 0], ["data", "Data", datasets.length + evaluationDatasets.length + scorers.length > 0], ["traces", "Traces", hasTraces()]];
  return all.filter(([, , isThere]) => isThere).map(([name, title]) => el("a", { href: "#/" + name, "data-view": name }, title));
}

// A name made of a digest says nothing that its first digits do not.
function shortOrigin() {
  const origin = oneLine(about.facts.origin);
  return /^sha256:[0-9a-f]{20,}$/.test(origin) ? origin.slice(0, 15) + "…" : origin;
}

function header() {
  const theme = el("button", { type: "button", class: "quiet", onclick: () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    theme.textContent = isDark() ? "Light" : "Dark";
    show();
  } }, isDark() ? "Light" : "Dark");
  return el(
    "header", {},
    el("a", { class: "skip", href: "#view", onclick: (event) => {
      event.preventDefault();
      document.getElementById("view").focus();
    } }, "Skip to the content"),
    el("a", { class: "mark", href: "#/" }, el("strong", {}, "mlark"), el("bdi", { title: oneLine(about.facts.origin) }, shortOrigin())),
    el("nav", { "aria-label": "Views" }, tabs()),
    el("span", { class: "tools" }, el("a", { href: "#/print" }, "Print"), theme),
  );
}

function printView() {
  const overview = overviewView();
  overview.prepend(el("p", { class: "actions noprint" }, el("button", { type: "button", class: "primary", onclick: () => print() }, "Print this"), " ", el("a", { href: "#/" }, "Back")));
  if (runs.length > 0) overview.append(el("section", { class: "printed" }, el("h2", {}, "Runs"), plainTable(MOST_PRINTED)));
  if (models.length > 0) overview.append(...[...modelsView().children].slice(1));
  overview.classList.add("paper");
  return overview;
}

function routeOf(hash) {
  try {
    return hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  } catch {
    return [""];
  }
}

function show() {
  const [name, ...rest] = routeOf(location.hash);
  const view = (Object.hasOwn(VIEWS, name) ? VIEWS[name] : overviewView)(...rest);
  view.setAttribute("tabindex", "-1");
  const old = document.getElementById("view");
  old.replaceWith(view);
  const current = SECTION_OF[name] || name;
  for (const tab of document.querySelectorAll("nav a")) {
    if (tab.dataset.view === current) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  const title = view.querySelector("h1");
  document.title = `${title ? title.textContent.trim() : "MLflow history"} – ${shortOrigin()}`;
}

document.getElementById("loading").replaceWith(header(), el("main", { id: "view" }), el("footer", {}, `Made by ${about.facts.made_by} from the archive with the content ID `, el("span", { class: "mono" }, about.facts.content_id), ". This page uses no network."));
addEventListener("hashchange", () => {
  show();
  scrollTo(0, 0);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest && event.target.closest("input, select, textarea");
  const filter = document.getElementById("filter");
  if (event.key === "/" && !isTyping && filter) {
    filter.focus();
    event.preventDefault();
  }
});
show();
