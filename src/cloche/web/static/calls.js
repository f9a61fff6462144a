// The examples: one tab a language, kept in step with the form, copied with a button.
// The literals below are spelled as in `pages/calls.py`.

const json = (value) => JSON.stringify(value);
const python = (value) => (value === null ? "None" : value === true ? "True" : value === false ? "False" : json(value));

function r(value) {
  if (Array.isArray(value)) return `I(c(${value.map(json).join(", ")}))`;
  return value === null ? "NA" : value === true ? "TRUE" : value === false ? "FALSE" : json(value);
}

const rName = (name) => "`" + name.replace(/\\/g, "\\\\").replace(/`/g, "\\`") + "`";
const braces = (literal) => (row) =>
  `{\n${Object.entries(row).map(([name, value]) => `  ${json(name)}: ${literal(value)}`).join(",\n")}\n}`;

const LITERALS = {
  curl: (row) => braces(json)(row).replaceAll("'", "'\\''"),
  javascript: braces(json),
  python: braces(python),
  r: (row) => `list(\n${Object.entries(row).map(([name, value]) => `  ${rName(name)} = ${r(value)}`).join(",\n")}\n)`,
};

/** Write every example for *row*. */
export function writeCalls(base, url, row) {
  for (const code of document.querySelectorAll("#call code[data-template]")) {
    const values = { BASE: base.href.replace(/\/$/, ""), URL: url.href, BODY: LITERALS[code.dataset.language](row) };
    code.replaceChildren(...painted(code.dataset.template.replace(/%(BASE|URL|BODY)%/g, (_, name) => values[name])));
  }
}

/** The text as nodes: strings, numbers and constants each in a span of their own. */
function painted(text) {
  const pattern = /("(?:[^"\\\n]|\\.)*")|(?<![\w.:/\x27])(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|true|false|null|None|True|False|NA|TRUE|FALSE)\b/g;
  const nodes = [];
  let done = 0;
  for (const match of text.matchAll(pattern)) {
    const span = document.createElement("span");
    span.className = match[1] ? "s" : "n";
    span.textContent = match[0];
    nodes.push(text.slice(done, match.index), span);
    done = match.index + match[0].length;
  }
  return [...nodes, text.slice(done)];
}

/** Turn the stacked examples into tabs. */
export function prepareCalls(section) {
  const calls = [...section.querySelectorAll(".call")];
  const bar = Object.assign(document.createElement("div"), { className: "tabs" });
  bar.setAttribute("role", "tablist");
  bar.setAttribute("aria-label", "Language");
  const tabs = calls.map((call, i) => makeTab(call, i));
  const show = (chosen) => {
    calls.forEach((call, i) => { call.hidden = i !== chosen; });
    tabs.forEach((tab, i) => { tab.setAttribute("aria-selected", String(i === chosen)); tab.tabIndex = i === chosen ? 0 : -1; });
  };
  tabs.forEach((tab, i) => tab.addEventListener("click", () => show(i)));
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const next = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
    show(next);
    tabs[next].focus();
  });
  bar.append(...tabs);
  calls[0].before(bar);
  show(0);
}

function makeTab(call, i) {
  const title = call.querySelector("h3");
  const tab = Object.assign(document.createElement("button"), { type: "button", textContent: title.textContent, id: `tab${i}` });
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-controls", `call${i}`);
  call.id = `call${i}`;
  call.setAttribute("role", "tabpanel");
  call.setAttribute("aria-labelledby", tab.id);
  title.hidden = true;
  call.append(makeCopy(call.querySelector("code")));
  return tab;
}

function makeCopy(code) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "Copy" });
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    button.textContent = (await copy(code)) ? "Copied" : "Select and copy";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });
  return button;
}

/** The clipboard is only there on https and loopback; elsewhere the text is selected and copied the old way. */
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}
