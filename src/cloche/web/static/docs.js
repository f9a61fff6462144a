// The docs page: ties the key box, the picker, the form, its answer and the examples together.
// Everything is fetched from where the page came from; the key lives in one variable and nowhere else.

import { showAnswer, showProblems, showFailure, showBusy } from "./answer.js";
import { prepareCalls, writeCalls } from "./calls.js";
import { clearProblems, prepareForm, readRow, refresh } from "./form.js";

let key = null;

const at = (path) => new URL(path, document.baseURI.split(/[?#]/)[0]);
const authorized = (headers = {}) => (key === null ? headers : { ...headers, Authorization: `Bearer ${key}` });

/** Wire up the model's part of the page; called again whenever it is replaced. */
function start() {
  const model = document.getElementById("model");
  if (model === null) return;
  const form = document.getElementById("try-form");
  prepareForm(form);
  prepareCalls(document.getElementById("call"));
  const sync = () => { refresh(form); writeCalls(at("."), at(model.dataset.predict), readRow(form)); };
  form.addEventListener("input", sync);
  form.addEventListener("reset", () => setTimeout(() => { clearProblems(form); sync(); }));
  form.addEventListener("submit", (event) => { event.preventDefault(); predict(model, form); });
  document.getElementById("picker")?.addEventListener("change", (event) => pick(event.target.value));
  document.title = `${model.dataset.model} · API`;
  sync();
}

async function predict(model, form) {
  const button = form.querySelector("button[type=submit]");
  clearProblems(form);
  showBusy(button, true);
  const began = performance.now();
  try {
    const response = await fetch(at(model.dataset.predict), {
      method: "POST",
      headers: authorized({ "Content-Type": "application/json" }),
      body: JSON.stringify(readRow(form)),
    });
    const body = await response.json();
    if (response.ok) showAnswer(form, body, performance.now() - began);
    else showProblems(form, body, response.status);
  } catch (error) {
    showFailure(error instanceof SyntaxError ? "The answer was not JSON." : "The server did not answer.");
  } finally {
    showBusy(button, false);
  }
}

async function pick(name) {
  if (key === null) document.getElementById("picker-form").submit();
  else await open(name);
}

/** Fetch what stands behind the key; the answer is markup of our own server, escaped there. */
async function open(name) {
  const address = at("docs/content");
  if (name) address.searchParams.set("model", name);
  const response = await fetch(address, { headers: authorized() });
  if (!response.ok) return (await response.json()).message;
  const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
  document.getElementById("main").replaceChildren(parsed.getElementById("model"));
  start();
  return null;
}

function prepareKeyBox() {
  const form = document.getElementById("key-form");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = document.getElementById("key-problem");
    const input = document.getElementById("key");
    key = input.value.trim();
    const refusal = await open(null).catch(() => "The server did not answer.");
    if (refusal === null) { document.getElementById("main").focus(); return; }
    key = null;
    problem.textContent = refusal;
    problem.hidden = false;
    input.setAttribute("aria-invalid", "true");
    input.focus();
  });
}

/** The document itself asks for a key too: fetch it with the one we hold, and show it as a file. */
function prepareDocumentLink() {
  document.getElementById("openapi").addEventListener("click", async (event) => {
    if (key === null) return;
    event.preventDefault();
    const response = await fetch(at("openapi.json"), { headers: authorized() });
    const address = URL.createObjectURL(await response.blob());
    const link = Object.assign(document.createElement("a"), { href: address, download: "openapi.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  });
}

prepareKeyBox();
prepareDocumentLink();
start();
