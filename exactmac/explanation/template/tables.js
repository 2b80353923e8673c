// What holds for the whole network: contracts, runtimes, costs, and a list of all operators.

// Elements of the network's outputs, of all samples.
function outputElements(explanation) {
  return explanation.operators.filter((operator) => explanation.outputs.includes(operator.name))
    .reduce((sum, operator) => sum + operator.elements, 0);
}

// Contracts equal to a runtime first, then by the outputs that differ; those not computed last.
function byDistance(contracts) {
  const order = ({ reason, equal_to, outputs_differ }) =>
    [reason !== "", equal_to.length === 0, outputs_differ];
  return [...contracts].sort((a, b) =>
    order(a).map((value, place) => value - order(b)[place]).find(Boolean) ?? 0);
}

function contractsTable(explanation) {
  const headings = [{ title: "Contract" }, { title: "Layers", number: true },
                    { title: "Other operators", number: true },
                    { title: "Outputs that differ", number: true },
                    { title: "By at most", number: true }, { title: "Equal in every tensor to" }];
  const rated = explanation.contracts.some((contract) => contract.accuracy !== null);
  if (rated) headings.push({ title: "Accuracy", number: true });
  return table(headings, byDistance(explanation.contracts).map((contract) => {
    if (contract.reason) return [contract.name, contract.reason];
    const cells = [contract.name, count(contract.layers), count(contract.kept),
                   share(contract.outputs_differ, contract.outputs), count(contract.largest),
                   unbroken(contract.equal_to.join(", ") || "no runtime")];
    return rated ? [...cells, accuracy(contract.accuracy)] : cells;
  }));
}

// What is to be said of a runtime that was compared.
function remarks({ rounded, reason }) {
  const text = `${plural(rounded, "element")} differ by its float32 alone: golden is exact`;
  return [rounded ? text : "", reason].filter(Boolean).join("; ");
}

function runtimesTable(explanation) {
  const headings = [{ title: "Runtime" }, { title: "Version" }, { title: "Elements", number: true },
                    { title: "Mismatches", number: true }];
  const compared = ({ status }) => status === "compared";
  return table(headings, explanation.runtimes.map((runtime) => (compared(runtime)
    ? [runtime.name, runtime.version ?? "", count(runtime.checked), count(runtime.mismatches)]
    : [runtime.name, [runtime.status, runtime.reason].filter(Boolean).join(": ")])),
  explanation.runtimes.map((runtime) => (compared(runtime) ? remarks(runtime) : "")));
}

function operatorsTable(explanation, names) {
  const headings = [{ title: "Operator" }, { title: "Agreement" },
                    { title: "Differ", number: true }, { title: "MACs", number: true },
                    { title: "BitOps", number: true }, { title: "Bytes moved", number: true },
                    { title: "Energy", number: true }];
  return table(headings, explanation.operators.map((operator) => {
    const { agreement, cost } = operator;
    return [
      [element("a", { href: fragment(operator) }, operator.operator),
       element("span", { class: "short" }, names.get(operator.name))],
      element("span", { class: `verdict ${agreement}` }, symbol(agreement),
        AGREEMENTS.get(agreement).short),
      percent(differing(operator), operator.elements), quantity(cost.macs),
      quantity(cost.bit_operations), quantity(cost.moved_bytes),
      energy(cost.arithmetic_pj + cost.sram_pj + cost.dram_pj)];
  }), [], { class: "operators" });
}
