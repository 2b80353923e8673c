// The page: reads the explanation, fills the parts, opens the operator that the address names.

const explanation = JSON.parse(document.getElementById("explanation").textContent);
const names = shortNames(explanation.operators.map((operator) => operator.name));
const part = (id) => document.getElementById(id);

function fillPage() {
  document.title = `${explanation.network} · exactmac explain`;
  part("sentence").append(...explanation.sentence.split(/(?<=; )/).map((clause) =>
    element("span", {}, unbroken(clause))));
  part("about").append(...facts([
    ["Model", `${explanation.model} (${explanation.kind})`], ["Inputs", explanation.inputs],
    ["Reference", explanation.reference],
    ["Accuracy of the reference", accuracy(explanation.accuracy)]]));
  part("legend").append(...[...AGREEMENTS].map(([agreement, { title }]) => {
    const found = explanation.operators.filter((each) => each.agreement === agreement).length;
    return element("li", { class: agreement }, symbol(agreement), element("b", {}, count(found)),
      ` ${title}`);
  }));
  part("contracts").append(contractsTable(explanation));
  part("runtimes").append(runtimesTable(explanation));
  part("costs").append(...costFacts(explanation.costs));
  part("operators").append(operatorsTable(explanation, names));
}

// The operator that the address names, or undefined.
function chosen() {
  const text = location.hash.slice(1);
  return text ? explanation.operators.find((operator) => fragment(operator) === `#${text}`
    || operator.name === decoded(text)) : undefined;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // Somebody wrote a % that begins no code.
  }
}

function mark(links, operator) {
  const id = operator ? links.get(operator).id : null;
  links.forEach(({ link }, each) => {
    if (each === operator) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
  document.querySelectorAll(".edge").forEach((edge) =>
    edge.classList.toggle("near", [edge.dataset.from, edge.dataset.to].includes(id)));
}

// Scroll the graph to a node that is not in its view.
function scrollGraph({ link }) {
  const graph = part("graph");
  const [box, node] = [graph.getBoundingClientRect(), link.getBoundingClientRect()];
  if (node.top < box.top || node.bottom > box.bottom) {
    graph.scrollTop += node.top - box.top - (box.height - node.height) / 2;
  }
  if (node.left < box.left || node.right > box.right) {
    graph.scrollLeft += node.left - box.left - (box.width - node.width) / 2;
  }
}

function scrollToPanel(panel) {
  const { top } = panel.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) panel.scrollIntoView({ block: "start" });
}

function show(links) {
  const operator = chosen();
  const panel = part("operator");
  mark(links, operator);
  if (!operator) {
    panel.replaceChildren(element("p", { class: "hint" },
      "Choose an operator in the graph to see whose answer it gives, and what it costs."));
    part("status").textContent = "";
    return;
  }
  panel.replaceChildren(...operatorPanel(explanation, operator, names));
  part("status").textContent = `${operator.operator}: ${verdict(operator)}`;
  scrollGraph(links.get(operator));
  scrollToPanel(panel);
}

fillPage();
const { links, width } = drawGraph(explanation, part("graph"), names);
document.body.style.setProperty("--graph", `${Math.ceil(width) + 26}px`);
scrollGraph(links.get(explanation.operators[0]));
addEventListener("hashchange", () => show(links));
show(links);
