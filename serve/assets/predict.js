// Sends the form, waits for the answer and shows it, without leaving the page.
"use strict";

const PAGE = "/flights/delays/predict_kafka";
const PATIENCE_MS = 30000;
const form = document.getElementById("predict");
const button = form.querySelector("button");

function answerPlace() {
  return document.getElementById("answer");
}

function show(templateId) {
  const content = document.getElementById(templateId).content.cloneNode(true);
  answerPlace().replaceChildren(content);
}

function fail(reason) {
  show("failed");
  answerPlace().querySelector("[data-reason]").textContent = reason;
}

function showFieldErrors(errors) {
  for (const place of form.querySelectorAll(".error")) {
    place.hidden = true;
    place.textContent = "";
  }
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
  }
  for (const error of errors) {
    const place = document.getElementById(error.field + "-error");
    const field = document.getElementById(error.field);
    if (!place || !field) continue;
    place.textContent = (place.textContent + " " + error.reason).trim();
    place.hidden = false;
    field.setAttribute("aria-invalid", "true");
  }
  const first = form.querySelector("[aria-invalid]");
  if (first) first.focus();
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

// The server has words for the answer; the page of the request is where it writes them.
async function showAnswer(id) {
  const address = PAGE + "?id=" + encodeURIComponent(id);
  const response = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const answer = page.getElementById("answer");
  if (!answer) throw new Error("the answer cannot be shown");
  answerPlace().replaceChildren(...answer.childNodes);
  history.replaceState(null, "", address);
}

async function waitForAnswer(id) {
  show("waiting");
  const deadline = Date.now() + PATIENCE_MS;
  let between = 50;
  let failure = "";
  while (Date.now() < deadline) {
    try {
      const url = "/flights/delays/predict/classify_realtime/response/" + encodeURIComponent(id);
      const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
      const body = await response.json();
      if (response.ok && body.status === "OK") return showAnswer(id);
      if (response.status === 404) return fail("There is no prediction request with this id.");
      failure = response.ok ? "" : body.message;
    } catch (error) {
      failure = "the server does not answer";
    }
    await pause(between);
    between = Math.min(between * 1.5, 1000);
  }
  if (failure) return fail("No answer within 30 seconds: " + failure + ".");
  show("late");
  answerPlace().querySelector("[data-again]").href = PAGE + "?id=" + encodeURIComponent(id);
}

async function send() {
  showFieldErrors([]);
  show("waiting");
  const response = await fetch(form.action, {
    method: "POST",
    headers: { Accept: "application/json" },
    body: new URLSearchParams(new FormData(form)),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const body = await response.json();
  if (response.ok) return waitForAnswer(body.id);
  if (body.errors) {
    answerPlace().replaceChildren();
    return showFieldErrors(body.errors);
  }
  fail("The request was not sent: " + body.message + ".");
}

async function working(work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    fail("The server does not answer. Try again in a moment.");
  } finally {
    button.disabled = false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  working(send);
});

const waiting = answerPlace().dataset.waiting;
if (waiting) working(() => waitForAnswer(waiting));
