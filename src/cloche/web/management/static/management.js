// The pages are complete without this; it signs out, asks before a route is changed, and copies commands.
const up = document.body.dataset.up ?? "";
const byId = (id) => document.getElementById(id);
const JSON_TYPE = { "Content-Type": "application/json" };
const post = (path, body) => fetch(`${up}${path}`, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(body) });

const button = byId("logout");
button.hidden = false;
button.addEventListener("click", async () => {
  button.disabled = true;
  await post("logout", {});
  location.reload();
});

if (navigator.clipboard) {
  document.querySelectorAll("[data-copy]").forEach((one) => {
    one.hidden = false;
    one.addEventListener("click", async () => {
      await navigator.clipboard.writeText(one.dataset.copy);
      one.textContent = "Copied";
    });
  });
}

const dialog = byId("change");
let asked = null;

// What would happen now, by the routes as they are; an answer in words where it cannot be done.
const plan = async (kind, model, version) => {
  const answer = await fetch(`${up}models/${model}/routes`, { headers: { Accept: "application/json" } });
  const routes = await answer.json();
  if (!answer.ok) throw new Error(routes.message);
  if (kind === "promote") return { path: "promote", body: { version, expect: routes.event }, what: `Version ${version} will answer in place of what is live under its contract.` };
  if (routes.rollback === null) throw new Error(routes.why);
  const { version: back, from } = routes.rollback;
  const what = back === null ? `Version ${from} will answer no more, and its contract has no other.` : `Version ${back} will answer again in place of version ${from}.`;
  return { path: "rollback", body: { expect: routes.event }, what };
};

const open = async (one) => {
  const { change: kind, model, version } = one.dataset;
  const title = kind === "promote" ? `Promote version ${version} of ${model}?` : `Roll back ${model}?`;
  asked = null;
  byId("change-title").textContent = title;
  byId("change-what").textContent = "Reading the routes …";
  byId("change-said").textContent = "";
  byId("change-why").value = "";
  byId("change-do").textContent = kind === "promote" ? "Promote" : "Roll back";
  byId("change-do").disabled = true;
  byId("change-do").hidden = false;
  byId("change-cancel").textContent = "Cancel";
  dialog.showModal();
  try {
    const found = await plan(kind, model, Number(version));
    asked = { ...found, model };
    byId("change-what").textContent = `${found.what} The version is opened here first, golden rows and all; running servers follow within two seconds.`;
    byId("change-do").disabled = false;
  } catch (error) {
    byId("change-what").textContent = String(error.message ?? error);
  }
};

const change = async (event) => {
  event.preventDefault();
  if (asked === null) return;
  byId("change-do").disabled = true;
  byId("change-said").textContent = "Opening the version and changing the route …";
  const why = byId("change-why").value.trim();
  try {
    const answer = await post(`models/${asked.model}/${asked.path}`, { ...asked.body, ...(why ? { why } : {}) });
    const said = await answer.json();
    byId("change-said").textContent = answer.ok ? `Done: ${said.change}.` : `${said.error}: ${said.message}`;
    if (!answer.ok) return;
    byId("change-do").hidden = true;
    byId("change-cancel").textContent = "Close";
    dialog.addEventListener("close", () => location.reload(), { once: true });
  } catch {
    byId("change-said").textContent = "The server did not answer; look at the routes before you try again.";
  }
};

if (dialog) {
  document.querySelectorAll("[data-without-script]").forEach((one) => { one.hidden = true; });
  document.querySelectorAll("[data-change]").forEach((one) => {
    one.hidden = false;
    one.addEventListener("click", () => open(one));
  });
  byId("change-cancel").addEventListener("click", () => dialog.close());
  dialog.querySelector("form").addEventListener("submit", change);
}
