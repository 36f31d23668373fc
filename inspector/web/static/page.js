// What pages do beside being read: sliders, keys, the theme, and fetching themselves again while a run goes on.
"use strict";

const all = (query, within = document) => [...within.querySelectorAll(query)];

// A map shows one round of many: the slider fills its cells from the data that came with the page.

function sliders(within = document) {
  for (const group of all("[data-slides]", within)) {
    const rounds = group.dataset.rounds.split(" "), slider = group.querySelector("[data-slider]");
    const data = group.querySelector("script"), cells = all("td", group), shown = group.querySelector("output");
    let shares = null;
    const fill = () => {
      shares ??= JSON.parse(data.textContent);
      const at = Number(slider.value);
      shares[at].forEach((share, place) => {
        cells[place].textContent = share ?? "";
        cells[place].className = share == null ? "none" : `s${Math.round(share / 10)}`;
      });
      shown.value = rounds[at];
      slider.setAttribute("aria-valuetext", `round ${rounds[at]}`);
    };
    const kept = rounds.indexOf(slidTo.get(group.dataset.slides));
    if (kept >= 0 && kept !== Number(slider.value)) { slider.value = kept; fill(); }
    slider.setAttribute("aria-valuetext", `round ${rounds[slider.value]}`);
    slider.parentElement.hidden = rounds.length < 2;
    slider.addEventListener("input", () => {
      fill();
      const last = Number(slider.value) === rounds.length - 1, where = new URL(location.href);
      if (last) { slidTo.delete(group.dataset.slides); where.searchParams.delete("at"); }
      else { slidTo.set(group.dataset.slides, rounds[slider.value]); where.searchParams.set("at", rounds[slider.value]); }
      history.replaceState(history.state, "", where);
    });
  }
}

const slidTo = new Map();

// Keys

let before = "";
const goes = { r: "/", o: "", q: "/questions", t: "/transcript", w: "/weaknesses", g: "/graph" };

function row(step) {
  const rows = all("[data-row]");
  if (!rows.length) return;
  const at = rows.findIndex((one) => one.contains(document.activeElement));
  const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
  (next.querySelector("a, summary, button") ?? next).focus();
  next.scrollIntoView({ block: "nearest" });
}

function turn(step) {
  const slider = document.querySelector("[data-slider]");
  if (slider && !slider.parentElement.hidden) {
    slider.value = Number(slider.value) + step;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    return;
  }
  document.querySelector(step < 0 ? "a[rel=prev]" : "a[rel=next]")?.click();
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=range]):not([type=checkbox]), textarea, select");
  if (event.ctrlKey || event.metaKey || event.altKey || typing || document.querySelector("dialog[open]")) return;
  const key = event.key;
  if (before === "g" && key in goes) {
    const home = document.body.dataset.home;
    if (key === "r") location.href = "/";
    else if (home) location.href = home + goes[key];
  } else if (key === "/") {
    document.querySelector("input[type=search]")?.focus();
    event.preventDefault();
  } else if (key === "?") document.getElementById("keys").showModal();
  else if (key === "j") row(1);
  else if (key === "k") row(-1);
  else if (key === "[") turn(-1);
  else if (key === "]") turn(1);
  before = before === "g" ? "" : key;
});

// Theme

const theme = document.getElementById("theme"), help = document.getElementById("help");
theme.hidden = help.hidden = false;
help.addEventListener("click", () => document.getElementById("keys").showModal());
theme.addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  try { localStorage.setItem("maieutic-theme", document.documentElement.dataset.theme); } catch { /* see theme.js */ }
  document.dispatchEvent(new Event("redraw"));
});

// While a run goes on

async function again() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = document.getElementById("main"), next = fresh.getElementById("main");
  const open = all("details[id][open]", main).map((one) => one.id);
  const focused = document.activeElement?.id;
  if (main.contains(document.activeElement) && !focused && document.activeElement !== main) return; // somebody is at work there
  main.replaceChildren(...next.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  const status = fresh.getElementById("status"), shown = document.getElementById("status");
  if (status && shown) { shown.textContent = status.textContent; shown.className = status.className; }
  sliders(main);
  document.dispatchEvent(new Event("redraw"));
}

if (document.body.dataset.home && "live" in document.body.dataset) {
  let due = 0;
  const source = new EventSource(`${document.body.dataset.home}/events`);
  source.addEventListener("changed", (event) => {
    if (document.querySelector("main [data-still]")) return; // lists keep still while they are read
    clearTimeout(due);
    due = setTimeout(again, 300);
    if (["done", "budget", "plateau", "alarm"].includes(event.data)) source.close();
  });
  addEventListener("pagehide", () => source.close());
}

sliders();
