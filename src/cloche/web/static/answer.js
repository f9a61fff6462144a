// Shows what the server answered: the prediction large, its probabilities as bars, the JSON beneath.
// Text is only ever set as text: labels and messages are not markup.

import { placeProblems } from "./form.js";

const MAX_BARS = 12;

function make(element, className, ...children) {
  const made = document.createElement(element);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function showBusy(button, busy) {
  button.setAttribute("aria-busy", String(busy));
  button.disabled = busy;
}

export function showAnswer(form, body, milliseconds) {
  const shown = [prediction(body)];
  if (typeof body.confidence === "number") shown.push(make("p", "confidence", `${percent(body.confidence)} confident`));
  if (typeof body.score === "number") shown.push(make("p", "confidence", `score ${short(body.score)}`));
  if (body.probabilities) shown.push(...bars(body.probabilities));
  const warnings = body.warnings ?? [];
  const loose = placeProblems(form, warnings, true);
  if (warnings.length > loose.length) {
    shown.push(make("p", "problem warning", "Answered, with a warning at a field of the form."));
  }
  shown.push(...loose.map((one) => make("p", "problem warning", describe(one))));
  shown.push(make("p", "hint", `${body.model ?? ""} version ${body.model_version ?? "?"} · ${timing(milliseconds)}`));
  replace("ok", shown, body);
}

export function showProblems(form, body, status) {
  const problems = body.problems ?? [];
  const loose = placeProblems(form, problems, false);
  const shown = [make("p", "refused", problems.length ? "Not answered" : body.error ?? `Status ${status}`)];
  if (problems.length > loose.length) {
    const count = problems.length - loose.length;
    shown.push(make("p", "", `${count === 1 ? "One value breaks" : `${count} values break`} the contract; see the form.`));
  }
  const rest = loose.length || problems.length ? loose.map(describe) : [body.message];
  shown.push(...rest.map((text) => make("p", "problem", text)));
  replace("bad", shown, body);
}

export function showFailure(message) {
  replace("bad", [make("p", "refused", "No answer"), make("p", "problem", message)], null);
}

function replace(state, children, body) {
  document.getElementById("panel").dataset.state = state;
  document.getElementById("outcome").replaceChildren(...children);
  const box = document.getElementById("raw-box");
  box.hidden = body === null;
  document.getElementById("raw").textContent = body === null ? "" : JSON.stringify(body, null, 2);
}

const describe = (problem) => (problem.field ? `${problem.field}: ${problem.message}` : problem.message);

// -- the prediction ---------------------------------------------------------------------------------

function prediction(body) {
  const value = body.prediction;
  if (Array.isArray(value)) return several(value);
  if (value !== null && typeof value === "object") return byName(value);
  return make("p", "prediction", value === null ? "no number" : typeof value === "number" ? short(value) : String(value));
}

function several(values) {
  const chips = values.slice(0, MAX_BARS).map((one) => make("span", "chip", typeof one === "number" ? short(one) : String(one)));
  if (values.length > MAX_BARS) chips.push(make("span", "faint", `and ${values.length - MAX_BARS} more`));
  return make("p", "prediction chips", ...(chips.length ? chips : ["none"]));
}

function byName(values) {
  const rows = Object.entries(values).map(([name, value]) =>
    make("div", "", make("dt", "", name), make("dd", "", typeof value === "number" ? short(value) : String(value))));
  return make("dl", "prediction outputs", ...rows);
}

// -- its probabilities ------------------------------------------------------------------------------

function bars(probabilities) {
  const entries = Object.entries(probabilities);
  if (entries.some(([, value]) => value !== null && typeof value === "object")) {
    return entries.flatMap(([name, inner]) => [make("h4", "", name), ...bars(inner)]);
  }
  const sorted = entries.sort((a, b) => (b[1] ?? -1) - (a[1] ?? -1));
  const list = make("ul", "bars", ...sorted.slice(0, MAX_BARS).map(([name, value]) => bar(name, value)));
  const more = sorted.length - MAX_BARS;
  return more > 0 ? [list, make("p", "hint", `and ${more} classes below`)] : [list];
}

function bar(name, value) {
  const fill = make("i", "");
  fill.style.setProperty("--share", value ?? 0);
  const track = make("span", "bar", fill);
  track.setAttribute("aria-hidden", "true");
  return make("li", "", make("span", "bar-name", name), make("span", "bar-value", value === null ? "–" : percent(value)), track);
}

// -- numbers ----------------------------------------------------------------------------------------

const timing = (milliseconds) => `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms there and back`;

function percent(share) {
  const hundred = share * 100;
  if (hundred > 99.9 && share < 1) return "> 99.9 %";
  if (hundred < 0.1 && share > 0) return "< 0.1 %";
  return `${hundred.toFixed(1)} %`;
}

function short(value) {
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}
