// The network as a graph: dagre places the nodes and the edges, this draws them.

const NODE = { width: 212, height: 44, padding: 12, indent: 20, gap: 8 };
const END = { width: 148, height: 24, padding: 12 };
const NAMELESS = "(no name)";

// Address of an operator within the page.
function fragment(operator) {
  return `#${encodeURIComponent(operator.name.toWellFormed() || NAMELESS)}`;
}

// Short names, as long as they differ. A converter joins the names of the operators that it fuses
// by `;`: the first one is kept, without the folders that all names begin with.
function shortNames(names) {
  const first = names.map((name) => name.split(";")[0]);
  const parts = new Set(first).size === names.length ? first : names;
  const folders = parts.map((name) => name.split("/").slice(0, -1));
  let common = 0;
  const inside = folders.filter((each) => each.length);
  while (inside.length > 1 && inside.every((each) =>
    each[common] !== undefined && each[common] === inside[0][common])) common += 1;
  const short = parts.map((name, place) => (folders[place].length
    ? name.split("/").slice(common).join("/") : name));
  const shown = new Set(short).size === names.length ? short : names;
  return new Map(names.map((name, place) => [name, shown[place] || NAMELESS]));
}

// Cut the middle out of a text until it is no wider than `width`, in the drawing's units.
function fit(text, width) {
  const whole = Array.from(text.textContent);
  let [low, high] = [1, whole.length];
  const shown = (kept) => whole.slice(0, Math.ceil(kept / 2)).join("") + "…"
    + whole.slice(whole.length - Math.floor(kept / 2)).join("");
  if (text.getComputedTextLength() <= width) return;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    text.textContent = shown(middle);
    if (text.getComputedTextLength() <= width) low = middle; else high = middle;
  }
  text.textContent = shown(low);
}

// Largest count of elements in which an answer differs; where runtimes differ, of these alone.
function differing(operator) {
  const answers = operator.answers.filter((answer) => answer.group >= 0
    && (operator.agreement !== "differ" || answer.kind === "runtime"));
  return Math.max(0, ...answers.map((answer) => answer.differ));
}

function verdict(operator) {
  return AGREEMENTS.get(operator.agreement).verdict
    ?? `${quantity(differing(operator))} differ`;
}

// Nodes are the operators, the network's inputs and its outputs.
function arranged(explanation) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ nodesep: 18, ranksep: 24, edgesep: 14, marginx: 6, marginy: 6 });
  graph.setDefaultEdgeLabel(() => ({}));
  const places = new Map();
  const add = (label) => {
    const place = `${graph.nodeCount()}`;
    graph.setNode(place, label);
    return place;
  };
  const source = (tensor) => {
    if (!places.has(tensor)) places.set(tensor, add({ end: tensor, ...END }));
    return places.get(tensor);
  };
  explanation.operators.forEach((operator) => {
    const sources = operator.inputs.map(source);
    const place = add({ operator, width: NODE.width, height: NODE.height });
    places.set(operator.name, place);
    sources.forEach((each) => graph.setEdge(each, place));
  });
  explanation.outputs.forEach((tensor) =>
    graph.setEdge(source(tensor), add({ end: "output", ...END, width: 72 })));
  dagre.layout(graph);
  return graph;
}

// A smooth curve through the middles of the line's parts.
function curve(points) {
  const middle = (a, b) => `${(a.x + b.x) / 2} ${(a.y + b.y) / 2}`;
  const inner = points.slice(1, -1).map((point, place) =>
    `Q${point.x} ${point.y} ${middle(point, points[place + 2])}`);
  const [start, end] = [points[0], points.at(-1)];
  return `M${start.x} ${start.y}L${middle(start, points[1])}${inner.join("")}L${end.x} ${end.y}`;
}

function operatorNode(operator, label, name) {
  const { width, height, padding, indent } = NODE;
  const [left, top] = [label.x - width / 2, label.y - height / 2];
  return drawing("a", { href: fragment(operator), class: `node ${operator.agreement}`,
    "aria-label": `${operator.operator} ${name}: ${AGREEMENTS.get(operator.agreement).title}, `
      + verdict(operator) },
  drawing("title", {}, `${operator.operator}: ${operator.name || NAMELESS}`),
  drawing("rect", { x: left, y: top, width, height, rx: 7 }),
  symbol(operator.agreement, { x: left + padding, y: top + 7, width: 13, height: 13 }),
  drawing("text", { x: left + padding + indent, y: top + 18, class: "kind" }, operator.operator),
  drawing("text", { x: left + width - padding, y: top + 18, class: "count" }, verdict(operator)),
  drawing("text", { x: left + padding, y: top + 35, class: "name" }, name));
}

function endNode(label) {
  return drawing("g", { class: "end" },
    drawing("title", {}, label.end),
    drawing("rect", { x: label.x - label.width / 2, y: label.y - label.height / 2,
                      width: label.width, height: label.height, rx: label.height / 2 }),
    drawing("text", { x: label.x, y: label.y + 4 }, label.end));
}

// Draw into `place`; return the link of every operator, and the width of the drawing.
function drawGraph(explanation, place, names) {
  const graph = arranged(explanation);
  const links = new Map();
  const edges = graph.edges().map(({ v, w }) => drawing("path", {
    d: curve(graph.edge(v, w).points), class: "edge", "marker-end": "url(#arrow)",
    "data-from": v, "data-to": w }));
  const nodes = graph.nodes().map((id) => {
    const label = graph.node(id);
    if (!label.operator) return endNode(label);
    const link = operatorNode(label.operator, label, names.get(label.operator.name));
    links.set(label.operator, { link, id });
    return link;
  });
  const { width, height } = graph.graph();
  const picture = drawing("svg", { viewBox: `0 0 ${width} ${height}`, role: "group",
                                   "aria-label": "Graph of the network" },
    drawing("defs", {}, drawing("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4,
      markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" },
    drawing("path", { d: "M0 0 8 4 0 8z" }))),
    ...edges, ...nodes);
  place.replaceChildren(picture);
  const room = NODE.width - 2 * NODE.padding;
  picture.querySelectorAll(".kind").forEach((text) => {
    const tail = text.parentNode.querySelector(".count").getComputedTextLength();
    fit(text, room - NODE.indent - NODE.gap - tail);
  });
  picture.querySelectorAll(".name").forEach((text) => fit(text, room));
  picture.querySelectorAll(".end text").forEach((text) => fit(text, END.width - 2 * END.padding));
  picture.style.width = `${width}px`;
  picture.style.maxWidth = "100%";
  picture.style.minWidth = `${Math.min(width, Math.max(0.7 * width, NODE.width))}px`;
  return { links, width };
}
