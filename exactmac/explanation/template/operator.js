// The panel of one operator: what it is, who answers what, what it costs.

// Lists of equal answers, the reference's first.
function groups(operator) {
  const found = new Map();
  operator.answers.filter((answer) => answer.group >= 0).forEach((answer) => {
    found.set(answer.group, [...(found.get(answer.group) ?? []), answer]);
  });
  return [...found].sort(([a], [b]) => a - b).map(([, answers]) => answers);
}

function answerers(answers) {
  return ["runtime", "contract"].map((kind) => {
    const names = answers.filter((answer) => answer.kind === kind).map((answer) => answer.name);
    return names.length ? element("p", { class: "answerers" },
      element("span", { class: "label" }, names.length === 1 ? kind : `${kind}s`),
      element("span", {}, unbroken(names.join(", ")))) : "";
  });
}

function firstDifference({ first }) {
  if (first === null) return "";
  const line = levelLine(first, [{ who: "reference", level: first.reference, kind: "reference" },
                                 { who: "this answer", level: first.level, kind: "answer" }]);
  const [above, below] = (first.exact ?? "not known").split("/");
  return element("div", { class: "first" },
    element("dl", { class: "rows" }, facts([
      ["First at", element("code", {}, `[${first.index.join(", ")}]`)],
      ["Exact value", element("code", {}, above, ...(below ? ["/", element("wbr"), below] : []))],
      ["As a decimal", first.decimal && element("code", {}, first.decimal)],
      ["This answer", `${count(first.level)}, the reference ${count(first.reference)}`]])),
    line ?? "");
}

function answersTable(explanation, operator) {
  const headings = [{ title: "Runtimes and contracts" },
                    { title: "Elements that differ", number: true },
                    { title: "By at most", number: true },
                    { title: "Outputs that differ", number: true },
                    { title: "By at most", number: true }];
  const rated = operator.answers.some((answer) => answer.accuracy !== null);
  if (rated) headings.push({ title: "Accuracy", number: true });
  const outputs = outputElements(explanation);
  const found = groups(operator);
  const rows = found.map((answers) => {
    const [answer] = answers;
    const cells = [answerers(answers), share(answer.differ, operator.elements),
                   count(answer.largest), share(answer.outputs_differ, outputs),
                   count(answer.outputs_largest)];
    return rated ? [...cells, accuracy(answer.accuracy)] : cells;
  });
  const details = found.map(([answer]) =>
    (answer.group === 0 ? "Equal to the reference." : firstDifference(answer)));
  return table(headings, rows, details, { class: "answers" });
}

function withoutAnswer(operator) {
  const silent = operator.answers.filter((answer) => answer.group < 0);
  return silent.length ? [element("h3", {}, "No answer"),
    table([{ title: "Runtime or contract" }, { title: "Reason" }],
      silent.map((answer) => [answer.name, answer.reason]))] : [];
}

function costFacts(cost) {
  const total = cost.arithmetic_pj + cost.sram_pj + cost.dram_pj;
  const parts = [["Arithmetic", cost.arithmetic_pj], ["SRAM", cost.sram_pj],
                 ["DRAM", cost.dram_pj]];
  const bar = element("div", { class: "bar", "aria-hidden": "true" },
    parts.filter(([, value]) => value > 0).map(([name]) => element("span", { class: name })));
  parts.filter(([, value]) => value > 0).forEach(([, value], place) => {
    bar.children[place].style.flexGrow = value / total;
  });
  return [
    element("dl", { class: "facts figures" }, facts([
      ["MACs", quantity(cost.macs)], ["BitOps", quantity(cost.bit_operations)],
      ["Stored", bytes(cost.stored_bytes)],
      [`Moved, ${cost.memory}`, bytes(cost.moved_bytes)],
      ["Energy", energy(total)]])),
    total > 0 ? bar : "",
    element("ul", { class: "parts" }, parts.map(([name, value]) =>
      element("li", {}, element("span", { class: `key ${name}` }), `${name} ${energy(value)}`)))];
}

// Links to the operators that gave the inputs; the network's own inputs are plain names.
function inputLinks(explanation, operator, names) {
  const byName = new Map(explanation.operators.map((each) => [each.name, each]));
  return element("ul", { class: "inputs" }, operator.inputs.map((name) => element("li", {},
    byName.has(name) ? element("a", { href: fragment(byName.get(name)) }, names.get(name))
      : `${name} (input of the network)`)));
}

function operatorPanel(explanation, operator, names) {
  const place = explanation.operators.indexOf(operator);
  const step = (to, text) => (explanation.operators[to]
    ? element("a", { href: fragment(explanation.operators[to]) }, text)
    : element("span", {}, text));
  return [
    element("nav", { "aria-label": "Operators" },
      element("span", {}, `Operator ${place + 1} of ${explanation.operators.length}`),
      step(place - 1, "Previous"), step(place + 1, "Next"),
      element("a", { href: "#" }, "Close")),
    element("h2", {}, operator.operator),
    element("p", { class: `verdict ${operator.agreement}` }, symbol(operator.agreement),
      AGREEMENTS.get(operator.agreement).title),
    element("p", { class: "full" }, operator.name || NAMELESS),
    element("dl", { class: "rows" }, facts([
      ["Shape", operator.shape.join(" × ") || "one number"],
      ["Quantization", operator.quantization], ["Arithmetic", operator.arithmetic],
      ["Inputs", inputLinks(explanation, operator, names)],
      ["In the file",
       operator.place === null ? "added by the reader" : `tensor ${operator.place}`]])),
    element("h3", {}, "Answers"),
    element("p", {}, `Of ${plural(operator.elements, "element")}, compared with `
      + `${explanation.reference}. Distances are in levels, those of float32 in its steps. The `
      + "outputs are the network's if this operator alone answers so."),
    answersTable(explanation, operator),
    ...withoutAnswer(operator),
    element("h3", {}, "Cost of one sample"),
    ...costFacts(operator.cost)];
}
