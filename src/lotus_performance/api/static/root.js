"use strict";

const example = document.getElementById("example");
const rows = document.getElementById("rows");
const inputs = [...rows.querySelectorAll("input")];
const run = document.getElementById("run");
const headline = document.getElementById("headline");
const answer = document.getElementById("answer");
const health = document.getElementById("health");

const MONEY = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 6 });
const FIGURE = new Intl.NumberFormat("en-US", { minimumFractionDigits: 6, maximumFractionDigits: 6 });

/** Returns an element; children are texts or elements, and never read as HTML. */
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Returns status and document of an answer; what is no JSON comes from something between here and the service. */
async function ask(url, options) {
  try {
    const response = await fetch(url, options);
    return { isFine: response.ok, body: await response.json() };
  } catch {
    return { isFine: false, body: { detail: "The service does not answer.", code: "" } };
  }
}

function say(target, isFine, text) {
  target.className = isFine ? "good" : "bad";
  target.textContent = text;
}

// ---------------------------------------------------------------------- the request

const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;

/** What is no number is sent as it stands: the service says what is wrong with it. */
function cell(text) {
  const number = Number(text);
  return NUMBER.test(text) && Number.isFinite(number) ? number : text;
}

function requestBody() {
  const request = JSON.parse(example.dataset.request);
  request.valuation_points.forEach((point, i) => {
    for (const input of rows.rows[i].querySelectorAll("input")) point[input.name] = cell(input.value);
  });
  request.output = { include_timeseries: true, include_cumulative: true };
  return request;
}

// ---------------------------------------------------------------------- the answer

function table(head, body) {
  const line = (cells) =>
    element("tr", {}, ...cells.map((text, i) => (i ? element("td", {}, text) : element("th", { scope: "row" }, text))));
  const titles = element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)));
  const made = element("table", { className: "figures" }, element("thead", {}, titles), element("tbody", {}, ...body.map(line)));
  return element("div", { className: "wide", tabIndex: 0, role: "region", ariaLabel: "Working day by day" }, made);
}

function figure(format, value) {
  return value === undefined ? "none" : format.format(value);
}

function showResult(body) {
  const { portfolio_return: total, breakdowns } = body.results_by_period.ITD;
  const working = breakdowns.daily.flatMap(({ summary, daily_data: days }) =>
    days.map((day) => [
      day.perf_date,
      figure(MONEY, day.numerator),
      figure(MONEY, day.denominator),
      figure(FIGURE, day.return_pct),
      figure(FIGURE, day.factor),
      figure(FIGURE, summary.cumulative_return_pct_to_date),
    ]),
  );
  say(headline, true, `The five days return ${FIGURE.format(total.base)} %.`);
  answer.append(
    element("p", {}, "A day returns its gain (numerator) over its capital (denominator); multiplied, the factors are the growth to date."),
    table(["perf_date", "numerator", "denominator", "return, %", "factor", "to date, %"], working),
    ...body.diagnostics.warnings.map(({ code, detail }) => element("p", {}, element("code", {}, code), ` ${detail}`)),
  );
}

/** Marks the input that a fault is about, and says which row it is in and what was sent. */
function told({ pointer, perf_date: date, detail }) {
  const [, list, row, member] = pointer.split("/");
  const input = inputs.find((one) => list === "valuation_points" && one.name === member && rows.rows[row].contains(one));
  if (!input) return `${pointer}: ${detail}`;
  input.setAttribute("aria-invalid", "true");
  return `Row ${Number(row) + 1} (${date}), ${member}: ${detail}; sent was ${JSON.stringify(cell(input.value))}`;
}

function showProblem({ detail, code, errors = [] }) {
  say(headline, false, detail);
  answer.append(element("ul", {}, ...errors.map((fault) => element("li", {}, told(fault)))));
  if (code) answer.append(element("a", { href: `${example.dataset.problems}#${encodeURIComponent(code)}` }, `What ${code} means`));
}

function asSent(title, document_) {
  const text = element("pre", { tabIndex: 0 }, element("code", {}, JSON.stringify(document_, null, 2)));
  return element("details", {}, element("summary", {}, title), text);
}

async function calculate() {
  if (run.disabled) return;
  run.disabled = true;
  inputs.forEach((input) => input.removeAttribute("aria-invalid"));
  const request = requestBody();
  const { isFine, body } = await ask(example.dataset.post, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
  });
  answer.replaceChildren();
  (isFine ? showResult : showProblem)(body);
  answer.append(asSent("The request, as it was sent", request), asSent("The answer, as it came", body));
  run.disabled = false;
}

run.addEventListener("click", calculate);
rows.addEventListener("keydown", (event) => event.key === "Enter" && calculate());
document.getElementById("reset").addEventListener("click", () => {
  for (const input of inputs) {
    input.value = input.defaultValue;
    input.removeAttribute("aria-invalid");
  }
  headline.textContent = "";
  answer.replaceChildren();
});

ask(health.dataset.url).then(({ isFine, body }) => say(health, isFine, isFine ? body.status : body.detail));
