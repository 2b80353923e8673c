// The page: filters, plots and tables of what they leave, and the point that the address names.

const DATA = [...new Set(study.points.map(({ data }) => data))];

function check(group, name, value, content, kindOf = "checkbox") {
  const input = element("input", { type: kindOf, name, value, checked: "" });
  input.addEventListener("change", () => refresh());
  part(group).append(element("label", {}, input, content));
}

const checked = (name) => new Set([...document.querySelectorAll(`input[name=${name}]:checked`)]
  .map(({ value }) => value));

function fillPage() {
  const { points } = study;
  part("command").textContent = study.command ?? "exactmac study";
  const elements = points.reduce((sum, each) => sum + each.elements, 0);
  const equal = points.every((each) => each.verified && each.mismatches === 0);
  part("sentence").textContent = `${points.length} ways to quantize, on hardware: `
    + (equal ? "every one equals golden, bit for bit" : "not every one was compared with golden");
  const vectors = Math.min(...points.map((each) => each.vectors));
  part("shown").textContent = `${plural(elements, "element")} of Verilog in `
    + `${points[0]?.simulator ?? "Verilator"} compared, 0 mismatches. `
    + (study.quick ? `Quick: ${vectors} vectors of each point, area on ECP5 alone.`
      : "All test examples of each point.");
  const used = WORKFLOWS.filter((each) => points.some(({ workflow }) => workflow === each));
  used.forEach((each) => check("workflows", "workflow", each, [symbol(each), each]));
  study.widths.filter((each) => points.some(({ width }) => width === each))
    .forEach((each) => check("widths", "width", each, widthName(each)));
  DATA.toReversed().forEach((each) => check("sets", "data", each, each, "radio"));
  part("sets").hidden = DATA.length < 2;
  part("target").append(...study.targets.map((each) => element("option", {}, each)));
  if (study.targets.includes("ecp5")) part("target").value = "ecp5";
  const widths = [...new Set(study.codes.map(({ width }) => width))];
  part("code-width").append(...widths.map((each) =>
    element("option", { value: each }, widthName(each))));
  if (widths.includes("4")) part("code-width").value = "4";
  ["target", "code-width"].forEach((id) => part(id).addEventListener("change", () => refresh()));
  part("filters").addEventListener("submit", (event) => event.preventDefault());
  part("table").append(workflowsTable());
  part("equality").append(...equality(elements, vectors));
}

function equality(elements, vectors) {
  const samples = Math.max(...study.points.map((each) => each.samples));
  const compared = vectors < samples ? `${count(vectors)} of the ${count(samples)}`
    : `all ${count(samples)}`;
  return [
    `Each network of each point ran on the emitted Verilog of its tile, compiled by `
    + `${study.points[0]?.simulator ?? "Verilator"}, with ${compared} test examples as vectors. `
    + "Each layer took the hardware's own results of the layer before. Every element of every "
    + `layer's result was compared with golden: ${count(elements)} elements, 0 mismatches. A `
    + "difference ends a point; it has then no mark of equality.",
    "The cycles of the simulation equal those of a formula, which the page shows; a point with "
    + "dynamic codes has none. Its range tracker was compared, too. Results are kept by a digest of network, inputs, tools and the project's own sources: a "
    + "change of any of these is computed and compared again.",
  ].map((text) => element("p", {}, text));
}

const chosenName = () => {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return ""; // Somebody wrote a % that begins no code.
  }
};

function refresh() {
  const [workflows, widths, sets] = [checked("workflow"), checked("width"), checked("data")];
  const [data] = sets;
  const points = study.points.filter((each) => workflows.has(each.workflow)
    && widths.has(each.width) && sets.has(each.data));
  const target = part("target").value;
  accuracyPlot("plot-operations", points, (each) => each.bit_operations, "bit_operations",
    "bit operations of an image", widthTicks);
  accuracyPlot("plot-area", points, (each) => lutOf(each, target), `lut_${target}`,
    `LUTs on ${target}, products in LUTs`);
  accuracyPlot("plot-energy", points, (each) => each.energy_pj / 1000, "energy_pj",
    "energy of an image, nJ (model)");
  lossPlot(points);
  sizesPlot(data, widths);
  codesPlot(data);
  part("points").replaceChildren(pointsTable(points, chosenName()));
  part("fits").replaceChildren(fitsTable(data));
  part("status").textContent = plural(points.length, "point");
}

function show() {
  const point = study.points.find(({ name }) => name === chosenName());
  part("point").hidden = !point;
  part("point").replaceChildren(...(point ? pointPanel(point) : []));
  document.querySelectorAll("#points tbody tr").forEach((row) => row.classList.toggle("chosen",
    point !== undefined
      && row.querySelector("a").getAttribute("href") === `#${encodeURIComponent(point.name)}`));
}

fillPage();
refresh();
show();
addEventListener("hashchange", show);
addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && !part("point").hidden) location.hash = "";
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => refresh());
