// The try-it form: what a control's text means on the wire, and what the server said about it.

const NUMERIC = new Set(["integer", "number"]);
const fields = (form) => [...form.querySelectorAll(".field")];
const control = (field) => field.querySelector(".value");
const gone = (field) => field.querySelector(".gone");

/** Switch the form on and let each "missing" box put its control to sleep. */
export function prepareForm(form) {
  for (const button of form.querySelectorAll(".actions button")) button.disabled = false;
  for (const field of fields(form)) {
    gone(field)?.addEventListener("change", () => {
      control(field).disabled = gone(field).checked;
      if (!gone(field).checked) control(field).focus();
    });
  }
}

/** The row as it goes over the wire; a field that is left out has no key. */
export function readRow(form) {
  const row = {};
  for (const field of fields(form)) {
    const { name, nullable } = field.dataset;
    if (!gone(field)?.checked) row[name] = readValue(field);
    else if (nullable !== undefined) row[name] = null;
  }
  return row;
}

function readValue(field) {
  const input = control(field);
  const { type } = field.dataset;
  const text = input.value;
  if (input.dataset.json !== undefined) return JSON.parse(text);
  if (NUMERIC.has(type)) return readNumber(text.trim(), type);
  if (type === "category" && input.dataset.integers !== undefined) return readNumber(text.trim(), "integer");
  if (type === "vector") return readVector(text);
  if (input.type === "datetime-local") return /T\d\d:\d\d$/.test(text) ? `${text}:00` : text; // browsers drop :00
  return text;
}

/** A number where the text is one; else the text itself, so that the server can say what is wrong with it. */
function readNumber(text, type) {
  if (text === "") return null;
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
  if (!Number.isFinite(value)) return text;
  return type === "integer" && !Number.isSafeInteger(value) && Number.isInteger(value) ? text : value;
}

function readVector(text) {
  const items = text.trim().replace(/^\[|\]$/g, "").split(/[\s,;]+/).filter((item) => item !== "");
  return items.map((item) => readNumber(item, "number"));
}

/** Redraw what follows from the values: where each number lies in the range that training has seen. */
export function refresh(form) {
  for (const field of fields(form)) {
    const input = control(field);
    if (gone(field)) input.disabled = gone(field).checked;
    const track = field.querySelector(".track");
    if (track === null) continue;
    const value = readNumber(input.value.trim(), "number");
    const low = Number(field.dataset.low);
    const share = typeof value === "number" ? (value - low) / (Number(field.dataset.high) - low) : NaN;
    track.hidden = Number.isNaN(share) || input.disabled;
    track.classList.toggle("outside", share < 0 || share > 1);
    track.style.setProperty("--share", Math.min(Math.max(share || 0, 0), 1));
  }
}

export function clearProblems(form) {
  for (const note of form.querySelectorAll(".problem")) {
    note.textContent = "";
    note.hidden = true;
    note.classList.remove("warning");
  }
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

/** Write each message at its field; returns those that belong to none. The first wrong field gets the focus. */
export function placeProblems(form, problems, warning) {
  const byName = new Map(fields(form).map((field) => [field.dataset.name, field]));
  const loose = [];
  let first = null;
  for (const problem of problems) {
    const field = byName.get(problem.field);
    if (field === undefined) { loose.push(problem); continue; }
    const note = field.querySelector(".problem");
    note.textContent = note.textContent ? `${note.textContent} ${problem.message}` : problem.message;
    note.classList.toggle("warning", warning);
    note.hidden = false;
    if (!warning) { control(field).setAttribute("aria-invalid", "true"); first ??= control(field); }
  }
  first?.focus();
  return loose;
}
