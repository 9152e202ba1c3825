// What is asked of the page, and is the same on several of its views: which runs are chosen, which theme.

import { el } from "./dom.js";

export const chosen = new Set();
const listeners = new Set();

export function whenChosen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function choose(id, isChosen) {
  if (isChosen) chosen.add(id);
  else chosen.delete(id);
  for (const listener of listeners) listener();
}

export function chooseNone() {
  chosen.clear();
  for (const listener of listeners) listener();
}

export function labelled(text, control) {
  return el("label", { class: "control" }, el("span", {}, text), control);
}

export function select(options, value, onchange) {
  const list = el("select", { onchange: () => onchange(list.value) });
  for (const [key, text] of options) list.append(el("option", { value: key, selected: key === value }, text));
  return list;
}

export function checkbox(text, isOn, onchange) {
  const box = el("input", { type: "checkbox", checked: isOn, onchange: () => onchange(box.checked) });
  return el("label", { class: "check" }, box, text);
}

export function isDark() {
  const asked = document.documentElement.dataset.theme;
  return asked ? asked === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

// Colours that are told apart by most eyes, dark enough or light enough for the ground.
const ON_LIGHT = ["#0067a5", "#c2410c", "#00795c", "#8e44ad", "#8a6100", "#b0235f", "#3b6fd4", "#4d5358"];
const ON_DARK = ["#6db9f2", "#ff9d6b", "#4fd1a5", "#d3a4f0", "#e3c15c", "#ff8fb8", "#9db8ff", "#c3c9ce"];
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4]];

export function lineStyle(number) {
  const colours = isDark() ? ON_DARK : ON_LIGHT;
  return { stroke: colours[number % colours.length], dash: DASHES[Math.floor(number / colours.length) % DASHES.length] };
}
