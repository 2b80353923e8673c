// Elements and texts. A name of a file becomes a text node or an attribute's value, no more.

const SVG = "http://www.w3.org/2000/svg";

const AGREEMENTS = new Map([
  ["all", { title: "Runtimes and contracts agree", short: "all agree", verdict: "equal" }],
  ["runtimes", { title: "Runtimes agree, a contract differs", short: "contract differs" }],
  ["differ", { title: "Runtimes differ", short: "runtimes differ" }],
  ["alone", { title: "Nothing to compare", short: "alone", verdict: "alone" }],
]);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== ""));
  return node;
}

function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function drawing(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// A shape for each agreement, so that colour is not needed.
function symbol(agreement, attributes = {}) {
  const shapes = {
    all: [drawing("circle", { cx: 8, cy: 8, r: 6, class: "solid" })],
    runtimes: [drawing("circle", { cx: 8, cy: 8, r: 5.25, class: "hollow" }),
               drawing("path", { d: "M8 2.75a5.25 5.25 0 0 1 0 10.5z", class: "solid" })],
    differ: [drawing("path", { d: "M8 1.5 15 14H1z", class: "solid" })],
    alone: [drawing("circle", { cx: 8, cy: 8, r: 5.25, class: "hollow" })],
  };
  return drawing("svg", { viewBox: "0 0 16 16", class: `symbol ${agreement}`, "aria-hidden": "true",
                          width: 16, height: 16, ...attributes }, ...shapes[agreement]);
}

// Text whose lines end neither at a hyphen nor in front of a percent sign.
function unbroken(text) {
  return text.replaceAll(" %", "\u00a0%").split(/( )/).map((word) =>
    (word.includes("-") ? element("span", { class: "word" }, word) : word));
}

function facts(pairs) {
  return pairs.filter(([, value]) => value !== null && value !== "").map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

// Rows are lists of cells, one for each heading; a row of two cells is a name and a text. A detail
// stands below the row of its place, as wide as the table.
function table(headings, rows, details = [], attributes = {}) {
  const numeric = (heading) => (heading.number ? { class: "number" } : {});
  const cell = (value, place) => element(place ? "td" : "th", {
    ...numeric(headings[place]), ...(place ? {} : { scope: "row" }),
    "data-heading": headings[place].title,
  }, Array.isArray(value) ? element("div", {}, value) : value);
  const row = (cells) => element("tr", {}, cells.length === headings.length
    ? cells.map(cell)
    : [cell(cells[0], 0), element("td", { colspan: headings.length - 1, class: "reason" },
                                  cells[1])]);
  return element("table", attributes,
    element("thead", {}, element("tr", {}, headings.map((heading) =>
      element("th", { ...numeric(heading), scope: "col" }, heading.title)))),
    element("tbody", {}, rows.map((cells, place) => [row(cells), details[place]
      ? element("tr", { class: "detail" },
        element("td", { colspan: headings.length }, details[place])) : ""]).flat()));
}

// A level, or a number of float32: all of its digits, or a word if it is not finite.
function count(value) {
  return Number.isInteger(value) ? value.toLocaleString("en") : `${value}`;
}

function plural(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

// Three digits at most; 0 % and 100 % are exact.
function percent(part, whole) {
  if (part === 0 || whole === 0) return "0 %";
  if (part === whole) return "100 %";
  const value = (100 * part) / whole;
  if (value < 0.01) return "below 0.01 %";
  return value > 99.9 ? "above 99.9 %" : `${Number(value.toPrecision(3))} %`;
}

function share(part, whole) {
  return part === 0 ? "0" : `${count(part)} (${percent(part, whole)})`;
}

function accuracy(value) {
  return value === null ? "" : `${(100 * value).toFixed(2)} %`;
}

// Three digits in the first unit that is large enough; each is a thousand times the one before.
function scaled(value, units) {
  let [rest, unit] = [value, 0];
  while (rest >= 999.5 && unit < units.length - 1) [rest, unit] = [rest / 1000, unit + 1];
  return `${rest.toPrecision(3)} ${units[unit]}`;
}

// Whole numbers are written in full below a million.
function quantity(value) {
  return value < 1e6 ? count(value) : scaled(value / 1e6, ["M", "G", "T", "P"]);
}

function bytes(value) {
  return value < 1e6 ? plural(value, "byte") : scaled(value / 1e6, ["MB", "GB", "TB"]);
}

function energy(picojoules) {
  return picojoules ? scaled(picojoules, ["pJ", "nJ", "µJ", "mJ", "J"]) : "0 pJ";
}
