// Registered models, prompts, logged models and datasets.

import { brief, dayOf, grouped, oneLine, plain, short, timeOf } from "./text.js";
import { badge, deletedBadge, el, factList, inParts, keyTable, link, mono, prose, section, smallTable, stateBadge, user } from "./dom.js";
import { datasetOf, datasets, evaluationDatasets, experimentName, hasAll, isPrompt, logged, loggedOf, metricsOfLogged, models, recordsOf, runName, runOf, runsOfDataset, scorers, tag, versionOf, versionsOfLogged, versionsOfModel } from "./data.js";
import { fileSection, json, jsonTree } from "./files.js";
import { hopList, lineageOfLogged, lineageOfVersion } from "./graph.js";
import { absentView } from "./run.js";

export function runLink(id) {
  const run = runOf.get(id);
  return run ? link(["run", id], user(runName(run))) : mono(id);
}

function aliasesOf(model, version) {
  return (model && model.al ? model.al : []).filter(([, number]) => version === undefined || number === version).map(([alias, number]) => badge(oneLine(version === undefined ? `@${alias} → ${number}` : `@${alias}`), "alias"));
}

function modelTable(list) {
  return inParts(list, (some) => smallTable(["Name", "Versions", "Aliases", "Changed (UTC)", "Description"], some.map((model) => [
    [link(["model", model.n], user(model.n)), model.w && model.w !== "default" ? [" ", badge(oneLine(model.w))] : null],
    el("span", { class: "number" }, grouped(versionsOfModel(model.n).length)), aliasesOf(model), dayOf(model.e), model.ds ? user(brief(model.ds, 120)) : "",
  ])), 100);
}

export function modelsView() {
  const prompts = models.filter(isPrompt);
  const others = models.filter((model) => !isPrompt(model));
  const parts = [];
  if (others.length > 0) parts.push(section("Registered models", others.length, modelTable(others)));
  if (prompts.length > 0) parts.push(section("Prompts", prompts.length, modelTable(prompts)));
  if (logged.length > 0) {
    const newest = logged.slice().sort((a, b) => Number(b.a || 0) - Number(a.a || 0));
    parts.push(section("Logged models", logged.length, inParts(newest, (some) => smallTable(["Name", "Type", "State", "Made (UTC)", "By run", "Registered as"], some.map((model) => [
      [link(["logged", model.i], user(model.n || model.i)), " ", deletedBadge(model)], model.ty ? user(model.ty) : "", stateBadge(model.s), dayOf(model.a), model.r ? runLink(model.r) : "",
      versionsOfLogged(model.i).map((version) => el("div", {}, link(["version", version.n, version.v], user(version.n), ` ${version.v}`))),
    ])), 100)));
  }
  if (parts.length === 0) parts.push(el("p", { class: "empty" }, "There are no models."));
  return el("main", { id: "view" }, el("h1", {}, "Models"), parts);
}

export function modelView(name) {
  const model = models.find((model) => model.n === name);
  if (!model) return absentView("model", name);
  const list = versionsOfModel(name).slice().reverse();
  const rows = (some) => smallTable(["Version", "Aliases", "State", "Made (UTC)", "From run", "Description"], some.map((version) => [
    link(["version", version.n, version.v], `version ${version.v}`), aliasesOf(model, version.v), [version.g ? badge(oneLine(version.g), version.g === "Production" ? "good" : "") : null, " ", stateBadge(version.s)],
    dayOf(version.a), version.r ? runLink(version.r) : "", version.ds ? user(brief(version.ds, 120)) : "",
  ]));
  return el(
    "main", { id: "view" },
    el("p", { class: "trail" }, link(["models"], "Models")),
    el("h1", {}, user(model.n), " ", isPrompt(model) ? badge("prompt") : null),
    factList([["Workspace", model.w], ["Made", model.a !== undefined ? timeOf(model.a) + " UTC" : null], ["Changed", model.e !== undefined ? timeOf(model.e) + " UTC" : null], ["Aliases", (model.al || []).length > 0 ? aliasesOf(model) : null]]),
    model.ds ? section("Description", null, prose(model.ds)) : null,
    section("Versions", list.length, list.length > 0 ? inParts(list, rows, 100) : el("p", { class: "empty" }, "There are none.")),
    section("Tags", (model.t || []).length / 2, keyTable(model.t, "It has none.")),
    model.h ? section("Where it was before", null, hopList(model)) : null,
  );
}

export function versionView(name, number) {
  const version = versionOf.get(name + "/" + number);
  if (!version) return absentView("model version", name + "/" + number);
  const model = models.find((model) => model.n === name);
  const template = tag(version, "mlflow.prompt.text");
  return el(
    "main", { id: "view" },
    el("p", { class: "trail" }, link(["models"], "Models"), " / ", link(["model", name], user(name))),
    el("h1", {}, user(name), ` version ${version.v} `, aliasesOf(model, version.v), " ", stateBadge(version.s)),
    factList([
      ["Made", version.a !== undefined ? timeOf(version.a) + " UTC" : null], ["User", version.u ? user(version.u) : null], ["Stage", version.g ? oneLine(version.g) : null], ["Workspace", version.w],
      ["Source", version.so ? mono(plain(version.so)) : null], ["From run", version.r ? runLink(version.r) : null],
      ["Logged model", version.m ? (loggedOf.has(version.m) ? link(["logged", version.m], mono(version.m)) : mono(version.m)) : null],
    ]),
    template !== undefined ? section("Template", null, prose(template)) : null,
    version.ds ? section("Description", null, prose(version.ds)) : null,
    section("Where it came from", null, lineageOfVersion(version), hopList(version)),
    section("Tags", (version.t || []).length / 2, keyTable(version.t, "It has none.")),
    section("Artifacts", null, versionFiles(version)),
  );
}

// The files of a version are those of its logged model, where it was made of one.
function versionFiles(version) {
  const model = loggedOf.get(version.m);
  if (model) return [el("p", { class: "note" }, "These are the artifacts of its logged model."), fileSection("logged_model", model.row, model.i)];
  return fileSection("model_version", version.row, version.n + "/" + version.v);
}

export function loggedView(id) {
  const model = loggedOf.get(id);
  if (!model) return absentView("logged model", id);
  return el(
    "main", { id: "view" },
    el("p", { class: "trail" }, link(["models"], "Models")),
    el("h1", {}, user(model.n || model.i), " ", stateBadge(model.s), " ", deletedBadge(model)),
    factList([["Model ID", mono(model.i)], ["Type", model.ty ? user(model.ty) : null], ["Experiment", user(experimentName(model.x))], ["Made", model.a !== undefined ? timeOf(model.a) + " UTC" : null], ["By run", model.r ? runLink(model.r) : null]]),
    section("Where it came from, and what was made of it", null, lineageOfLogged(model)),
    loggedMetrics(model),
    section("Params", (model.p || []).length / 2, keyTable(model.p, "It has none.")),
    section("Tags", (model.t || []).length / 2, keyTable(model.t, "It has none.")),
    section("Artifacts", null, fileSection("logged_model", model.row, model.i)),
  );
}

function loggedMetrics(model) {
  const list = metricsOfLogged(model);
  if (list.length === 0) return section("Metrics", 0, el("p", { class: "empty" }, hasAll("logged models with metrics") ? "It has none." : "They are not on this page."));
  const number = (value) => el("span", { class: "number", title: value === null ? null : String(value) }, value === null ? "" : short(value));
  const rows = (some) => smallTable(["Metric", "Dataset", "Run", "Latest", "Step", "Least", "Greatest", "Points"], some.map(([key, dataset, run, points, least, greatest, latest, step]) => [
    mono(key), dataset === null ? "" : user(dataset), run === null ? "" : runLink(run), number(latest), grouped(step), number(least), number(greatest), grouped(points),
  ]));
  return section("Metrics", list.length, inParts(list, rows, 100));
}

// Free JSON, as a tree where it is one.
function free(value) {
  if (value === undefined) return null;
  const parsed = typeof value === "string" ? json(value) : undefined;
  return parsed !== undefined && typeof parsed === "object" ? jsonTree(parsed) : prose(value);
}

export function evaluationView(id) {
  const dataset = evaluationDatasets.find((dataset) => dataset.i === id);
  if (!dataset) return absentView("evaluation dataset", id);
  const records = recordsOf(id);
  const none = hasAll("dataset-records") ? "It has none." : "They are not on this page.";
  const one = (record, number) => el("details", { open: number < 3 ? "" : null }, el("summary", {}, mono(record.i), " ", el("span", { class: "note" }, dayOf(record.a))), factList([
    ["Inputs", free(record.in)], ["Outputs", free(record.out)], ["Expectations", free(record.ex)], ["Tags", free(record.t)], ["Source", free(record.so)], ["User", record.u ? user(record.u) : null],
  ]));
  return el(
    "main", { id: "view" },
    el("p", { class: "trail" }, link(["data"], "Data")),
    el("h1", {}, user(dataset.n)),
    factList([["ID", mono(dataset.i)], ["Made", dataset.a !== undefined ? timeOf(dataset.a) + " UTC" : null], ["By", dataset.u ? user(dataset.u) : null],
      ["Experiments", (dataset.x || []).length > 0 ? dataset.x.map((id) => el("div", {}, user(experimentName(id)))) : null]]),
    section("Records", records.length, records.length > 0 ? inParts(records, (some) => el("div", {}, some.map(one)), 50) : el("p", { class: "empty" }, none)),
    section("Tags", (dataset.t || []).length / 2, keyTable(dataset.t, "It has none.")),
  );
}

export function dataView() {
  const parts = [];
  if (datasets.length > 0) {
    parts.push(section("Datasets of runs", datasets.length, inParts(datasets, (some) => smallTable(["Name", "Digest", "Experiment", "Type", "Source", "Runs"], some.map((dataset) => [
      link(["dataset", dataset.x, dataset.n, dataset.g], user(dataset.n)), mono(dataset.g), user(experimentName(dataset.x)), dataset.ty ? user(dataset.ty) : "", dataset.so ? user(brief(dataset.so, 100)) : "",
      el("span", { class: "number" }, grouped(runsOfDataset(dataset).length)),
    ])), 100)));
  }
  if (evaluationDatasets.length > 0) {
    parts.push(section("Evaluation datasets", evaluationDatasets.length, inParts(evaluationDatasets, (some) => smallTable(["Name", "Records", "ID", "Made (UTC)", "By", "Experiments"], some.map((dataset) => [
      link(["evaluation", dataset.i], user(dataset.n)), el("span", { class: "number" }, grouped(recordsOf(dataset.i).length)), mono(dataset.i), dayOf(dataset.a), dataset.u ? user(dataset.u) : "", (dataset.x || []).map((id) => el("div", {}, user(experimentName(id)))),
    ])), 100)));
  }
  if (scorers.length > 0) {
    parts.push(section("Scorers", scorers.length, inParts(scorers, (some) => smallTable(["Name", "Version", "Experiment", "Made (UTC)"], some.map((scorer) => [user(scorer.n), grouped(scorer.v), user(experimentName(scorer.x)), dayOf(scorer.a)])), 100)));
  }
  if (parts.length === 0) parts.push(el("p", { class: "empty" }, "There are no datasets."));
  return el("main", { id: "view" }, el("h1", {}, "Data"), parts);
}

export function datasetView(experiment, name, digest) {
  const dataset = datasetOf.get(experiment + "/" + name + "/" + digest);
  if (!dataset) return absentView("dataset", name);
  const readers = runsOfDataset(dataset);
  const document = (title, value) => (value === undefined ? null : section(title, null, free(value)));
  return el(
    "main", { id: "view" },
    el("p", { class: "trail" }, link(["data"], "Data")),
    el("h1", {}, user(dataset.n)),
    factList([["Digest", mono(dataset.g)], ["Experiment", user(experimentName(dataset.x))], ["Source type", dataset.ty ? user(dataset.ty) : null]]),
    document("Source", dataset.so),
    document("Profile", dataset.pr),
    document("Schema", dataset.sc),
    section("Runs that read it", readers.length, inParts(readers, (some) => el("ul", { class: "plain" }, some.map((run) => el("li", {}, runLink(run.i), " ", el("span", { class: "note" }, dayOf(run.a))))))),
  );
}
