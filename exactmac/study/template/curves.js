// Accuracy by the size of the calibration set, and the codes of weights.

const SHADES = ["--w1", "--w3", "--w2", "--w4"];

function sizesPlot(data, widths) {
  const place = part("plot-sizes");
  const own = study.sizes.filter((each) => each.data === data && widths.has(each.width));
  if (!own.length) return empty(place, "No curve of these widths");
  const traces = own.flatMap((curve) => {
    const tone = colour(SHADES[study.sizes.indexOf(curve) % SHADES.length]);
    const sizes = [...new Set(curve.results.map((each) => each.size))];
    const of = (size) => curve.results.filter((each) => each.size === size)
      .map((each) => 100 * each.accuracy);
    const band = [...sizes.map((size) => [size, Math.max(...of(size))]),
                  ...sizes.toReversed().map((size) => [size, Math.min(...of(size))])];
    return [
      { type: "scatter", mode: "lines", x: band.map(([size]) => size), y: band.map(([, y]) => y),
        fill: "toself", fillcolor: `${tone}26`, line: { width: 0 }, hoverinfo: "skip",
        showlegend: false },
      { type: "scatter", mode: "lines+markers", name: widthName(curve.width), x: sizes,
        y: sizes.map((size) => of(size).reduce((sum, each) => sum + each, 0) / of(size).length),
        line: { width: 1.8, color: tone }, marker: { size: 6, color: tone },
        hovertemplate: "%{x} images: %{y:.2f} %<extra>%{fullData.name}</extra>" }];
  });
  const ticks = [...new Set(own.flatMap((each) => each.results.map(({ size }) => size)))];
  draw(place, traces, layout(
    { type: "log", text: "calibration images", tickvals: ticks, ticktext: ticks.map(String) },
    { text: "accuracy on test images, %" },
    { showlegend: true, legend: { orientation: "h", x: 1, xanchor: "right", y: 0.02,
                                  yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" } }));
  return undefined;
}

function codesPlot(data) {
  const place = part("plot-codes");
  const own = study.codes.find((each) =>
    each.data === data && each.width === part("code-width").value);
  if (!own) return empty(place, "No balanced weights");
  const total = own.before.reduce((sum, each) => sum + each, 0);
  const bars = (counts, name, bits, tone) => ({
    type: "bar", name: `${name}: ${bits.toFixed(2)} effective bits`, x: own.levels,
    y: counts.map((each) => (100 * each) / total), marker: { color: colour(tone) },
    hovertemplate: "level %{x}: %{y:.2f} %<extra></extra>" });
  draw(place, [bars(own.before, "before", own.bits_before, "--w1"),
               bars(own.after, "after", own.bits_after, "--w2")],
    layout({ text: "level of a weight", ...(own.levels.length < 16 ? { tickvals: own.levels } : {}) },
           { text: "share of weights, %" },
           { showlegend: true, barmode: "group", bargap: 0.15,
             legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
             margin: { l: 64, r: 18, t: 34, b: 52 } }));
  return undefined;
}
