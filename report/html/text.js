// Texts for people. Whatever comes from the archive is shown through `shown`, and always as text.

// Characters that are invisible, or change the direction of what stands around them.
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

function escapeOf(character) {
  return "\\u{" + character.codePointAt(0).toString(16) + "}";
}

// A text as it may be shown: hidden characters are written out; tabs and line ends stay.
export function shown(text) {
  return String(text).replace(/\r\n/g, "\n").replace(HIDDEN, escapeOf);
}

// The same on one line.
export function oneLine(text) {
  return shown(text).replace(/\s*\n\s*/g, " ⏎ ").replace(/\t/g, " ");
}

// A value of the data is a text, `{t, n}` for a text that is cut, or `{b, n}` for bytes that are no text.
export function plain(value) {
  if (value === undefined || value === null) return "";
  if (typeof value !== "object") return String(value);
  return value.t !== undefined ? value.t : value.b;
}

export function isCut(value) {
  return typeof value === "object" && value !== null && value.t !== undefined;
}

// A value on one line, with an ellipsis where it is cut.
export function brief(value, most = 200) {
  const text = oneLine(plain(value));
  const isLong = text.length > most;
  return (isLong ? text.slice(0, most) : text) + (isLong || isCut(value) ? "…" : "");
}

export function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

export function counted(count, nouns) {
  const noun = Number(count) === 1 ? nouns.replace(/s$/, "") : nouns;
  return grouped(count) + " " + noun;
}

export function byteSize(bytes) {
  if (bytes === null || bytes === undefined) return "";
  let size = bytes;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 1000) return (unit === "B" ? String(size) : size.toFixed(1)) + " " + unit;
    size /= 1000;
  }
  return size.toFixed(1) + " TB";
}

// A number as it was logged; one that is no number stays its name.
export function numeric(value) {
  if (value === "NaN") return NaN;
  if (value === "Infinity") return Infinity;
  if (value === "-Infinity") return -Infinity;
  return Number(value);
}

// A number in few digits.
export function short(value) {
  if (value === undefined || value === null) return "";
  const number = numeric(value);
  if (!Number.isFinite(number)) return String(value);
  if (Object.is(number, -0)) return "-0";
  const size = Math.abs(number);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return number.toExponential(3).replace(/\.?0+e/, "e");
  if (Number.isInteger(number)) return grouped(number);
  return String(Number(number.toPrecision(5)));
}

function two(number) {
  return String(number).padStart(2, "0");
}

// Epoch milliseconds in UTC, to the second.
export function timeOf(milliseconds) {
  if (milliseconds === undefined || milliseconds === null) return "";
  const date = new Date(Number(milliseconds));
  if (Number.isNaN(date.getTime())) return String(milliseconds);
  return date.toISOString().replace("T", " ").replace(/\.\d+Z$/, "");
}

// The same to the minute; its space does not end a line.
export function dayOf(milliseconds) {
  return timeOf(milliseconds).slice(0, 16).replace(" ", "\u00a0");
}

export function duration(milliseconds) {
  if (!Number.isFinite(milliseconds)) return "";
  if (milliseconds < 0) return "−" + duration(-milliseconds);
  if (milliseconds < 1000) return short(Math.round(milliseconds * 100) / 100) + " ms";
  const seconds = milliseconds / 1000;
  if (seconds < 60) return seconds.toFixed(1) + " s";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes + " min " + two(Math.floor(seconds % 60)) + " s";
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return hours + " h " + two(minutes % 60) + " min";
  return Math.floor(hours / 24) + " d " + (hours % 24) + " h";
}

// The digest of a file, from base64 to hex digits.
export function hexOf(base64) {
  const bytes = atob(base64.replace(/-/g, "+").replace(/_/g, "/"));
  let hex = "";
  for (let at = 0; at < bytes.length; at++) hex += bytes.charCodeAt(at).toString(16).padStart(2, "0");
  return hex;
}
