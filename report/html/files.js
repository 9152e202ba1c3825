// Artifacts as a tree of folders, and a preview of what is asked for.

import { byteSize, counted, grouped, hexOf, oneLine, shown } from "./text.js";
import { clear, el, mono, smallTable } from "./dom.js";
import { filesOf, hasAll, previewOf } from "./data.js";

const MOST_ROWS = 200;
const MOST_CELLS = 40;

function treeOf(files) {
  const root = { folders: new Map(), files: [] };
  for (const file of files) {
    const parts = file[0].split("/");
    let folder = root;
    for (const name of parts.slice(0, -1)) {
      if (!folder.folders.has(name)) folder.folders.set(name, { folders: new Map(), files: [] });
      folder = folder.folders.get(name);
    }
    folder.files.push([parts[parts.length - 1], file]);
  }
  return root;
}

// The artifacts of an owner, or why there are none.
export function fileSection(kind, row, owner) {
  const found = filesOf(kind, row);
  if (!found) return el("p", { class: "empty" }, hasAll("lists of artifacts") ? "There are none." : "There are none, or this page had no room for their list.");
  const [files, count] = found;
  const preview = el("div", { class: "preview", "aria-live": "polite" }, el("p", { class: "empty" }, "Choose a file to look at it."));
  const list = folderList(treeOf(files), (file, button) => {
    for (const other of list.querySelectorAll(".file.on")) other.classList.remove("on");
    button.classList.add("on");
    showFile(clear(preview), file, owner);
  }, files.length <= 60);
  const note = count > files.length ? el("p", { class: "note" }, `The first ${grouped(files.length)} of ${counted(count, "artifacts")}.`) : null;
  return el("div", { class: "files" }, el("div", { class: "tree" }, list, note), preview);
}

function folderList(folder, look, isOpen) {
  const list = el("ul");
  for (const [name, inner] of folder.folders) {
    list.append(el("li", {}, el("details", { open: isOpen }, el("summary", {}, mono(name + "/")), folderList(inner, look, isOpen))));
  }
  for (const [name, file] of folder.files) {
    const size = file[3] ? (file[3] === "failed" ? "not read" : "left out") : byteSize(file[1]);
    const button = el("button", { type: "button", class: "file", onclick: () => look(file, button) }, mono(name), el("span", { class: "note" }, size));
    list.append(el("li", {}, button));
  }
  return list;
}

function showFile(box, [path, size, digest, absent], owner) {
  box.append(el("h3", {}, mono(path)));
  if (absent) {
    const why = absent === "failed" ? "It could not be read when the archive was made." : "The options of the export left its bytes out.";
    return box.append(el("p", { class: "note" }, "Its bytes are not in the archive. " + why));
  }
  box.append(el("p", { class: "note" }, byteSize(size), digest ? [", SHA-256 ", mono(hexOf(digest))] : null));
  const preview = digest ? previewOf(digest) : undefined;
  if (!preview) {
    const why = size === 0 ? "It is empty." : "No preview: the file is not text or a small image, it is too large, or this page has no room left.";
    const place = el("p", { class: "note" }, why);
    if (size !== 0) place.append(" The bytes are in the archive: ", mono(`mlark cat ARCHIVE ${owner} ${path}`));
    return box.append(place);
  }
  if (preview.y) return box.append(el("img", { src: `data:${preview.y};base64,${preview.b}`, alt: oneLine(path) }));
  const isWhole = new TextEncoder().encode(preview.t).length >= preview.n;
  if (!isWhole) box.append(el("p", { class: "note" }, `The first ${byteSize(preview.t.length)} of ${byteSize(preview.n)}.`));
  return box.append(...textPreview(path.toLowerCase(), preview.t, isWhole));
}

function textPreview(path, text, isWhole) {
  const raw = el("pre", { class: "source", tabindex: "0" }, shown(text));
  if (/\.(csv|tsv)$/.test(path)) {
    const rows = separated(text, path.endsWith(".tsv") ? "\t" : ",", isWhole);
    if (rows.length > 1) return [csvTable(rows), el("details", {}, el("summary", {}, "As text"), raw)];
  }
  if (/\.(json|ipynb)$/.test(path) && isWhole) {
    const value = json(text);
    if (value !== undefined) return [jsonTree(value), el("details", {}, el("summary", {}, "As text"), raw)];
  }
  return [raw];
}

function csvTable(rows) {
  const cells = (row) => row.slice(0, MOST_CELLS).map((cell) => el("bdi", {}, oneLine(cell)));
  const table = smallTable(cells(rows[0]), rows.slice(1, MOST_ROWS + 1).map(cells));
  const [count, width] = [rows.length - 1, Math.max(...rows.slice(0, MOST_ROWS).map((row) => row.length))];
  const notes = [];
  if (count > MOST_ROWS) notes.push(`the first ${MOST_ROWS} of ${grouped(count)} rows`);
  if (width > MOST_CELLS) notes.push(`the first ${MOST_CELLS} of ${width} columns`);
  return el("div", {}, table, notes.length > 0 ? el("p", { class: "note" }, "Shown are " + notes.join(" and ") + ".") : null);
}

// Rows of a text with separators, quotes doubled within quotes. The last row of a text that is cut is not whole and is left out.
function separated(text, separator, isWhole) {
  const rows = [];
  let row = [];
  let cell = "";
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (isQuoted) {
      if (c !== '"') cell += c;
      else if (text[at + 1] === '"') cell += text[++at];
      else isQuoted = false;
    } else if (c === '"' && cell === "") isQuoted = true;
    else if (c === separator) {
      row.push(cell);
      cell = "";
    } else if (c === "\n") {
      row.push(cell.replace(/\r$/, ""));
      rows.push(row);
      [row, cell] = [[], ""];
    } else cell += c;
  }
  if (isWhole && (cell !== "" || row.length > 0)) rows.push([...row, cell]);
  return rows;
}

export function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// A JSON value: small ones as text, others as a tree that opens.
export function jsonTree(value, depth = 0) {
  if (value === null || typeof value !== "object") return el("bdi", { class: "mono" }, shown(JSON.stringify(value)));
  const text = JSON.stringify(value, null, 2);
  if (text.length <= 1200 || depth > 6) return el("pre", { class: "source", tabindex: "0" }, shown(text));
  const entries = Object.entries(value);
  const list = el("ul", { class: "json" });
  for (const [key, inner] of entries.slice(0, 200)) {
    const isSmall = inner === null || typeof inner !== "object";
    const name = el("bdi", { class: "key" }, oneLine(key));
    list.append(isSmall ? el("li", {}, name, " ", jsonTree(inner)) : openLater(name, inner, depth));
  }
  if (entries.length > 200) list.append(el("li", { class: "note" }, `and ${grouped(entries.length - 200)} more`));
  return list;
}

function openLater(name, value, depth) {
  const size = Array.isArray(value) ? counted(value.length, "items") : counted(Object.keys(value).length, "fields");
  const details = el("details", {}, el("summary", {}, name, " ", el("span", { class: "note" }, size)));
  details.addEventListener("toggle", () => details.append(jsonTree(value, depth + 1)), { once: true });
  return el("li", {}, details);
}
