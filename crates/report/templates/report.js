"use strict";
const cases = [...document.querySelectorAll("details.case")];
const expand = document.getElementById("expand");
expand.hidden = false;
expand.addEventListener("click", () => {
  const open = !cases.every((details) => details.open);
  for (const details of cases) details.open = open;
  expand.textContent = open ? "Close all" : "Open all";
});
for (const block of document.querySelectorAll(".copied")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.querySelector("pre").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  block.append(button);
}
const openTarget = () => {
  const details = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!details) return;
  details.open = true;
  details.scrollIntoView();
};
addEventListener("hashchange", openTarget);
openTarget();
