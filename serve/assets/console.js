// Runs the statement through POST /sql and shows the first rows while they arrive.
"use strict";

const form = document.getElementById("console");
const text = document.getElementById("q");
const button = form.querySelector("button");
const place = document.getElementById("result");
const maxRows = Number(form.dataset.maxRows);

function paragraph(words, kind) {
  const element = document.createElement("p");
  element.textContent = words;
  if (kind) element.className = kind;
  return element;
}

function cell(tag, value) {
  const element = document.createElement(tag);
  const isNumber = typeof value === "number";
  if (isNumber) element.className = "number";
  const isNested = value !== null && typeof value === "object";
  element.textContent = value === null || value === undefined ? "" : isNested ? JSON.stringify(value) : String(value);
  return element;
}

function table(rows) {
  const names = Object.keys(rows[0]);
  const result = document.createElement("table");
  const head = result.createTHead().insertRow();
  for (const name of names) {
    const title = cell("th", name);
    title.scope = "col";
    if (typeof rows[0][name] === "number") title.className = "number";
    head.append(title);
  }
  const body = result.createTBody();
  for (const row of rows) {
    body.insertRow().append(...names.map((name) => cell("td", row[name])));
  }
  const scroll = document.createElement("div");
  scroll.className = "scroll tall";
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Rows");
  scroll.append(result);
  return scroll;
}

// Reads one row more than is shown, to know whether there are more; leaving early cancels the query.
async function readRows(response, controller) {
  const rows = [];
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return rows;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line) rows.push(JSON.parse(line));
      if (rows.length > maxRows) {
        reader.cancel().catch(() => {});
        controller.abort();
        return rows;
      }
    }
  }
}

async function run() {
  const parameters = new URLSearchParams({ format: "json" });
  if (form.dataset.schema) parameters.set("schema", form.dataset.schema);
  const controller = new AbortController();
  const started = performance.now();
  const response = await fetch("/sql?" + parameters, { method: "POST", body: text.value, signal: controller.signal });
  if (!response.ok) {
    const body = await response.json();
    return place.replaceChildren(paragraph(body.message, "reason"));
  }
  const rows = await readRows(response, controller);
  const elapsed = Math.round(performance.now() - started) + " ms";
  const update = response.headers.get("x-lakehouse-update");
  const count = rows.length > maxRows ? "First " + maxRows + " rows" : rows.length === 1 ? "1 row" : rows.length + " rows";
  const parts = [paragraph((update || count) + " in " + elapsed)];
  if (rows.length > 0) parts.push(table(rows.slice(0, maxRows)));
  place.replaceChildren(...parts);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  place.replaceChildren(paragraph("Running…", "quiet"));
  try {
    await run();
  } catch (error) {
    place.replaceChildren(paragraph("The answer broke off; the query failed while running, or the server went away.", "reason"));
  } finally {
    button.disabled = false;
  }
});

text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
