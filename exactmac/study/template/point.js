// The panel of a point: its configuration, the commands that make it, and its reports.

const RAM_UNITS = new Map([["generic", "bits"], ["ice40", "4 kbit blocks"],
                           ["ecp5", "18 kbit blocks"], ["xc7", "18 kbit blocks"]]);

function areaTable(point) {
  const number = (title) => ({ title, number: true });
  return table(["Target", number("LUTs"), number("carry"), number("FF"), number("DSP"),
                number("RAM")],
    Object.entries(point.area).map(([target, area]) => [
      target, count(area.total), count(area.carry), count(area.ff), count(area.dsp),
      `${count(area.ram)} ${RAM_UNITS.get(target) ?? ""}`]));
}

function layersTable(point) {
  const number = (title) => ({ title, number: true });
  return table(["Layer", "Weights", "Input → output", number("MACs"), number("BitOps"),
                number("effective bits")],
    point.layers.map((each) => [
      each.name, `${each.weights}, ${each.shape.join(" × ")}`,
      `${each.input} → ${each.output}, ${each.contract}`, count(each.macs),
      quantity(each.bit_operations), each.effective_bits.toFixed(2)]));
}

function runsTable(point) {
  const number = (title) => ({ title, number: true });
  return table(["Seed", number("Accuracy"), number("Float"), number("Loss, points"),
                "Hardware"],
    point.runs.map((run) => [
      String(run.seed), percent(run.accuracy), percent(run.float_accuracy), fixed(run.loss, 2),
      run.verified ? `${plural(run.verified.vectors, "vector")}, `
        + `${plural(run.verified.elements, "element")}, `
        + `${plural(run.verified.mismatches, "mismatch").replace("mismatchs", "mismatches")}`
        : run.reason ?? "not built: accuracy alone is known"]));
}

function verdict(point) {
  if (!point.verified) return "Not all of its hardware was compared with golden.";
  return `Verilog equals golden: ${plural(point.elements, "element")} of all tensors, `
    + `${count(point.mismatches)} mismatches, on ${plural(point.vectors, "vector")} in `
    + `${point.simulator}.`;
}

function pointPanel(point) {
  return [
    element("nav", {}, element("span", {}, point.name), element("a", { href: "#" }, "Close")),
    element("h2", {}, kind(point.workflow)),
    element("p", {}, `${widthName(point.width)}: weights ${point.weights}, inputs `
      + `${point.activations}, ${point.data}`),
    element("h3", {}, "Configuration"),
    facts([...Object.entries(point.about), ["contract", point.layers[0]?.contract ?? ""],
           ["tile", element("code", {}, point.tiles.join(" "))],
           ["block", point.blocks.join(", ")],
           ["on a front", frontNames(point)]]),
    element("h3", {}, "Commands"),
    element("pre", { class: "build" }, point.commands.build),
    point.commands.compare ? element("pre", {}, point.commands.compare) : "",
    element("h3", {}, "Verification"), element("p", { class: "verdict" }, verdict(point)),
    runsTable(point),
    element("h3", {}, point.tiles.length > 1 ? `Area of ${point.tiles.length} tiles` : "Area"),
    areaTable(point),
    element("h3", {}, "Cost of one example"),
    facts([["MACs", count(point.macs)], ["BitOps", count(point.bit_operations)],
           ["stored", `${count(point.stored_bytes)} bytes`],
           [`moved, ${point.cost.memory}`, `${count(point.moved_bytes)} bytes`],
           ["energy", `${energy(point.energy_pj)}: arithmetic ${energy(point.cost.arithmetic_pj)}, `
             + `memory ${energy(point.cost.sram_pj + point.cost.dram_pj)}`],
           ["cycles", point.cycles === null ? "" : `${count(point.cycles)} for `
             + plural(point.samples, "example")]]),
    element("h3", {}, "Layers"), layersTable(point)];
}
