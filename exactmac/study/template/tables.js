// Tables: the points, which can be sorted, the fits, and what runs at which width.

const ORDER = new Map(study.widths.map((width, place) => [width, place]));

const COLUMNS = [
  { key: "workflow", title: "Workflow", value: (each) => WORKFLOWS.indexOf(each.workflow) },
  { key: "width", title: "Width", value: (each) => ORDER.get(each.width) },
  { key: "formats", title: "Weights × inputs", value: (each) => each.weights },
  { key: "accuracy", title: "Accuracy", number: true, value: (each) => each.accuracy },
  { key: "loss", title: "Loss, points", number: true, value: (each) => each.loss },
  { key: "operations", title: "BitOps", number: true, value: (each) => each.bit_operations },
  { key: "lut", title: "LUTs", number: true,
    value: (each) => lutOf(each, part("target").value) ?? Infinity },
  { key: "energy", title: "Energy", number: true, value: (each) => each.energy_pj },
  { key: "bytes", title: "Stored bytes", number: true, value: (each) => each.stored_bytes },
  { key: "vectors", title: "Equal on", number: true, value: (each) => each.vectors },
];

let sorted = { key: null, down: false };

function inOrder(points) {
  const column = COLUMNS.find(({ key }) => key === sorted.key);
  if (!column) return points;
  const sign = sorted.down ? -1 : 1;
  return [...points].sort((a, b) => {
    const [x, y] = [column.value(a), column.value(b)];
    return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
  });
}

function pointCells(point) {
  const fronts = frontNames(point);
  return [
    element("a", { href: `#${encodeURIComponent(point.name)}` }, kind(point.workflow)),
    widthName(point.width), `${point.weights} × ${point.activations}`,
    [percent(point.accuracy), fronts
      ? element("span", { class: "front", title: `Pareto front: ${fronts}` }, " ◆") : ""],
    fixed(point.loss, 2), quantity(point.bit_operations),
    count(lutOf(point, part("target").value)), energy(point.energy_pj), count(point.stored_bytes),
    point.verified ? plural(point.vectors, "vector") : "unverified"];
}

function pointsTable(points, chosen) {
  const heads = COLUMNS.map(({ key, title, number }) => {
    const button = element("button", { type: "button" }, title);
    button.addEventListener("click", () => {
      sorted = { key, down: sorted.key === key && !sorted.down };
      refresh();
      part("points").querySelector(`[data-key=${key}] button`).focus();
    });
    return element("th", { scope: "col", "data-key": key, class: number ? "number" : null,
                           "aria-sort": sorted.key !== key ? null
                             : sorted.down ? "descending" : "ascending" }, button);
  });
  const rows = inOrder(points).map((point) => element("tr", {
    class: point.name === chosen ? "chosen" : null }, pointCells(point).map((cell, place) =>
    element(place ? "td" : "th", { scope: place ? null : "row",
                                   class: COLUMNS[place].number ? "number" : null }, cell))));
  return element("table", {}, element("thead", {}, element("tr", {}, heads)),
                 element("tbody", {}, rows));
}

function fitsTable(data) {
  const headings = ["Workflow", { title: "Exponent", number: true },
                    { title: "By seed: mean ± deviation", number: true },
                    { title: "r²", number: true }, { title: "Points", number: true },
                    { title: "Left out", number: true }];
  return table(headings, study.fits.filter((fit) => fit.data === data).map((fit) => {
    if (fit.reason) {
      return [kind(fit.workflow), "", "", "", "",
              element("span", { class: "reason" }, `no fit: ${fit.reason}`)];
    }
    const { mean, deviation, exponents } = fit.by_seed;
    const seeds = Object.keys(exponents).length;
    return [kind(fit.workflow), fixed(fit.exponent, 2),
            mean === null ? "no seed alone has a fit"
              : `${fixed(mean, 2)}${deviation === null ? "" : ` ± ${fixed(deviation, 2)}`}`
                + ` (${plural(seeds, "seed")})`,
            fixed(fit.r_squared, 3), count(fit.points), count(fit.left_out)];
  }));
}

function workflowsTable() {
  return table(["Workflow", ...study.widths.map(widthName)], study.workflows.map((row) => [
    [kind(row.workflow), element("span", {}, row.meaning)],
    ...study.widths.map((width) => {
      const { runs, reason } = row.widths[width];
      return runs ? runs.map((each) => element("div", {}, each))
        : element("span", { class: "reason" }, reason);
    })]));
}
