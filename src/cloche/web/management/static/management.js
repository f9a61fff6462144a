// The page is complete without this; it only offers to sign out.
const button = document.getElementById("logout");
button.hidden = false;
button.addEventListener("click", async () => {
  button.disabled = true;
  await fetch("logout", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
  location.reload();
});
