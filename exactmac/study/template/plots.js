// Plots of points: accuracy against what a point costs, and the loss with its power law.

const CONFIG = { displayModeBar: false, responsive: true };
// Shares of errors in percent, as a logarithmic axis has them, with the accuracies they stand for.
const ERRORS = [0.2, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 50, 90];
const LEAST_ERROR = 0.1;

// Costs that are this near to each other share a tick.
const NEAR = 1.05;

// Width and height of a label, as shares of the axes.
const LABEL = [0.04, 0.06];

const short = (width) => ({ ternary: "t", binary: "b" })[width] ?? width;

// Points in groups whose costs are near to each other, the cheapest group first.
function clusters(points, cost) {
  const found = [];
  for (const point of [...points].sort((a, b) => cost(a) - cost(b))) {
    const last = found.at(-1);
    if (last && cost(point) < cost(last[0]) * NEAR) last.push(point);
    else found.push([point]);
  }
  return found;
}

const widthsOf = (points) => study.widths.filter((width) =>
  points.some((each) => each.width === width));

// Labels: the width of each point of a front, whose upper left no point can be in. Of points that
// are too near to each other for two labels, as shares of the axes, the most accurate has one.
function labels(points, x, y, name, [low, high], [bottom, top]) {
  const shown = [];
  for (const point of frontOf(points, name).sort((a, b) => b.accuracy - a.accuracy)) {
    const place = [Math.log10(x(point)) / (high - low), Math.log10(y(point)) / (top - bottom)];
    if (shown.every(([, other]) => place.some((each, axis) =>
      Math.abs(each - other[axis]) > LABEL[axis]))) shown.push([point, place]);
  }
  return new Map(shown.map(([point]) => [point.name, short(point.width)]));
}

// A tick for each cluster, of the bit operations and of the widths that have them.
function widthTicks(points, cost) {
  const groups = clusters(points, cost);
  return { tickvals: groups.map(([first]) => cost(first)),
           ticktext: groups.map((own) => `${quantity(cost(own[0]))}<br>`
             + widthsOf(own).map((width) => (WIDTH_NAMES.has(width) ? width : `${width} b`))
               .join("<br>")) };
}

function layout(x, y, more = {}) {
  const axis = { gridcolor: colour("--grid"), linecolor: colour("--rule"), zeroline: false,
                 ticks: "outside", tickcolor: colour("--rule"), automargin: true,
                 title: { standoff: 8 } };
  return {
    margin: { l: 64, r: 18, t: 16, b: 52 }, showlegend: false, hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: colour("--quiet") },
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--rule"),
                  font: { color: colour("--ink") }, align: "left" },
    xaxis: { ...axis, ...x, title: { ...axis.title, text: x.text } },
    yaxis: { ...axis, ...y, title: { ...axis.title, text: y.text } },
    ...more,
  };
}

// Some numbers of each decade, more of them where the range is narrow.
function logTicks(values, format) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const steps = high > 8 * low ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const ticks = [];
  for (let decade = Math.floor(Math.log10(low)); decade <= Math.ceil(Math.log10(high)); decade++) {
    ticks.push(...steps.map((step) => step * 10 ** decade));
  }
  const near = ticks.filter((each) => each >= low / 1.5 && each <= high * 1.5);
  return { tickvals: near, ticktext: near.map(format) };
}

function logRange(values, room = 0.12) {
  const logs = values.map(Math.log10);
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const margin = Math.max((high - low) * room, 0.08);
  return [low - margin, high + margin];
}

const errorOf = (accuracy) => Math.max(100 * (1 - accuracy), LEAST_ERROR);

function hover(point) {
  const target = part("target").value;
  const lut = lutOf(point, target);
  return `<b>${point.workflow}, ${widthName(point.width)}</b><br>${point.weights} × `
    + `${point.activations}<br>accuracy ${percent(point.accuracy)}, float `
    + `${percent(point.float_accuracy)}<br>${quantity(point.bit_operations)} BitOps, `
    + `${energy(point.energy_pj)}${lut === null ? "" : `<br>${count(lut)} LUTs on ${target}`}`;
}

function markers(points, x, y, more, named = new Map()) {
  return WORKFLOWS.filter((workflow) => points.some((each) => each.workflow === workflow))
    .map((workflow) => {
      const own = points.filter((each) => each.workflow === workflow);
      return {
        type: "scatter", mode: "markers+text", name: workflow, x: own.map(x), y: own.map(y),
        text: own.map((each) => named.get(each.name) ?? ""), textposition: "top left",
        textfont: { size: 12, color: colour("--ink") }, cliponaxis: false,
        customdata: own.map((each) => each.name), hovertext: own.map(hover), hoverinfo: "text",
        marker: { size: 10, symbol: SYMBOLS[WORKFLOWS.indexOf(workflow)],
                  color: workflowColour(workflow), line: { width: 1, color: colour("--card") } },
        ...more(own, workflow),
      };
    });
}

// The worst and the best seed of each point, in errors.
function ends(own) {
  const array = own.map((each) => errorOf(each.accuracy_min) - errorOf(each.accuracy));
  return { error_y: { type: "data", symmetric: false, array, thickness: 1, width: 3,
                      arrayminus: own.map((each) =>
                        errorOf(each.accuracy) - errorOf(each.accuracy_max)) } };
}

const frontOf = (points, name) => points.filter((each) => each.pareto.includes(name));

function front(points, x, name) {
  const own = frontOf(points, name).sort((a, b) => x(a) - x(b));
  return { type: "scatter", mode: "lines", x: own.map(x), y: own.map((each) =>
    errorOf(each.accuracy)), hoverinfo: "skip", line: { shape: "hv", width: 1.4, dash: "dot",
                                                      color: colour("--front") } };
}

function empty(place, text) {
  Plotly.purge(place);
  place.replaceChildren(element("p", { class: "nothing" }, text));
}

function draw(place, traces, plotLayout) {
  if (!place.classList.contains("js-plotly-plot")) place.replaceChildren();
  Plotly.react(place, traces, plotLayout, CONFIG);
  place.removeAllListeners?.("plotly_click");
  place.on("plotly_click", ({ points: [{ customdata }] }) => {
    if (typeof customdata === "string") location.hash = encodeURIComponent(customdata);
  });
}

// Accuracy of points against a cost, with the front of all points and the float network's line.
function accuracyPlot(id, points, cost, name, text, ticks) {
  const place = part(id);
  const own = points.filter((each) => cost(each) !== null);
  if (!own.length) return empty(place, "No point has that");
  const xs = own.map(cost);
  const errors = own.flatMap((each) => [errorOf(each.accuracy_min), errorOf(each.accuracy_max)]);
  const float = errorOf(own.reduce((sum, each) => sum + each.float_accuracy, 0) / own.length);
  const near = ERRORS.filter((each) => each <= Math.max(...errors) * 1.4
                                       && each >= Math.min(...errors, float) / 1.6);
  const error = (each) => errorOf(each.accuracy);
  const range = logRange([...errors, float]);
  const xRange = logRange(xs);
  const traces = [
    { type: "scatter", mode: "lines", x: xRange.map((each) => 10 ** each), y: [float, float],
      hoverinfo: "skip", line: { width: 1, color: colour("--quiet") } },
    front(own, cost, name),
    ...markers(own, cost, error, ends,
               ticks ? new Map() : labels(own, cost, error, name, xRange, range))];
  draw(place, traces, layout(
    { type: "log", text, range: xRange, ...(ticks?.(own, cost) ?? logTicks(xs, quantity)) },
    { type: "log", text: "accuracy on test images", range: [range[1], range[0]], tickvals: near,
      ticktext: near.map((each) => `${Number((100 - each).toFixed(1))} %`) },
    { annotations: [{ x: xRange[0], y: Math.log10(float), text: "float, mean", showarrow: false,
                      xanchor: "left", yanchor: "bottom", font: { size: 11.5 } }] }));
  return undefined;
}

function lossPlot(points) {
  const place = part("plot-loss");
  const own = points.filter((each) => each.loss > 0);
  if (!own.length) return empty(place, "No point loses accuracy");
  const operations = own.map((each) => each.bit_operations);
  const [low, high] = logRange(operations);
  const lines = study.fits.filter((fit) => fit.factor !== undefined
    && own.some((each) => each.workflow === fit.workflow && each.data === fit.data))
    .map((fit) => {
      const xs = [low, high].map((each) => 10 ** each);
      return { type: "scatter", mode: "lines", x: xs,
               y: xs.map((each) => fit.factor * each ** fit.exponent), hoverinfo: "skip",
               line: { width: 1.4, color: workflowColour(fit.workflow) } };
    });
  const losses = own.map((each) => each.loss);
  const range = logRange(losses);
  draw(place, [...lines, ...markers(own, (each) => each.bit_operations, (each) => each.loss,
                                    () => ({}))],
    layout({ type: "log", text: "bit operations of an image", range: [low, high],
             ...widthTicks(own, (each) => each.bit_operations) },
           { type: "log", text: "accuracy lost, points", range,
             ...logTicks(losses, (each) => `${Number(each.toPrecision(2))}`) }));
  return undefined;
}
