// Elements, numbers and workflows. A name becomes a text node or an attribute's value, no more.

const study = JSON.parse(document.getElementById("study").textContent);
const part = (id) => document.getElementById(id);

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== ""));
  return node;
}

const WORKFLOWS = study.workflows.map(({ workflow }) => workflow);
// Marks of plotly, and the same as paths in a box of 14.
const SYMBOLS = ["x", "circle", "square", "diamond", "triangle-up"];
const PATHS = ["M2 4.2 4.2 2 7 4.8 9.8 2 12 4.2 9.2 7 12 9.8 9.8 12 7 9.2 4.2 12 2 9.8 4.8 7Z",
               "M7 2a5 5 0 1 0 .01 0Z", "M2.5 2.5h9v9h-9Z", "M7 1 13 7 7 13 1 7Z",
               "M7 1.5 13 12H1Z"];
const WIDTH_NAMES = new Map([["ternary", "ternary"], ["binary", "binary"]]);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const workflowColour = (workflow) => colour(`--w${WORKFLOWS.indexOf(workflow)}`);

function symbol(workflow) {
  const place = WORKFLOWS.indexOf(workflow);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ class: "symbol", width: 14, height: 14,
                                              viewBox: "0 0 14 14", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", PATHS[place]);
  path.setAttribute("fill", `var(--w${place})`);
  svg.append(path);
  return svg;
}

const kind = (workflow) => element("span", { class: "kind" }, symbol(workflow), workflow);
const widthName = (width) => WIDTH_NAMES.get(width) ?? `${width} bit${width === "1" ? "" : "s"}`;

const count = (value) => (value === null || value === undefined ? ""
  : Math.round(value).toLocaleString("en-US"));
const percent = (share) => `${(100 * share).toFixed(2)} %`;
const fixed = (value, digits) => value.toFixed(digits).replace("-", "\u2212");
const lutOf = (point, target) => point.area[target]?.total ?? null;

const FRONTS = { bit_operations: "BitOps", energy_pj: "energy" };
const frontNames = (point) => point.pareto.map((name) =>
  FRONTS[name] ?? name.replace("lut_", "LUTs on ")).join(", ");

function quantity(value) {
  const [unit, size] = [["G", 1e9], ["M", 1e6], ["k", 1e3]].find(([, each]) => value >= each)
    ?? ["", 1];
  return `${Number((value / size).toPrecision(3))}${unit && `\u00a0${unit}`}`;
}

function energy(picojoules) {
  const [unit, size] = [["µJ", 1e6], ["nJ", 1e3]].find(([, each]) => picojoules >= each)
    ?? ["pJ", 1];
  return `${Number((picojoules / size).toPrecision(3))}\u00a0${unit}`;
}

function plural(value, word) {
  return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}

function facts(pairs) {
  return element("dl", { class: "facts" }, pairs.filter(([, value]) => value !== "" && value !== null)
    .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

// A table; a heading is a text, or has `title` and `number`.
function table(headings, rows) {
  const heads = headings.map((each) => (typeof each === "string" ? { title: each } : each));
  return element("table", {},
    element("thead", {}, element("tr", {}, heads.map((each) =>
      element("th", { scope: "col", class: each.number ? "number" : null }, each.title)))),
    element("tbody", {}, rows.map((cells) => element("tr", {}, cells.map((cell, place) =>
      element(place ? "td" : "th", { scope: place ? null : "row",
                                     class: heads[place].number ? "number" : null }, cell))))));
}
