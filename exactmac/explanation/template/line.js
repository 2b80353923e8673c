// A line of levels with the exact value, and the level that each side rounded it to.

const MOST_LEVELS = 8;

// Null if the exact value is unknown or too far from the levels, or if these are not whole.
function levelLine(first, marks) {
  if (first.decimal === null) return null;
  const exact = Number(first.decimal);
  const levels = marks.map((mark) => mark.level);
  const low = Math.min(...levels, Math.floor(exact));
  const high = Math.max(...levels, Math.ceil(exact), low + 1);
  if (!levels.every(Number.isInteger) || high - low > MOST_LEVELS) return null;
  const [width, margin, y] = [280, 40, 34];
  const x = (level) => margin + ((level - low) / (high - low)) * (width - 2 * margin);
  const ticks = Array.from({ length: high - low + 1 }, (_, place) => low + place);
  return drawing("svg", { viewBox: `0 0 ${width} 78`, class: "line", role: "img",
    "aria-label": `The exact value lies at ${first.decimal}; `
      + marks.map((mark) => `${mark.who} gives ${mark.level}`).join(", ") },
  drawing("path", { d: `M${margin - 20} ${y}H${width - margin + 20}`, class: "axis" }),
  ticks.map((level) => drawing("path", { d: `M${x(level)} ${y - 5}v10`, class: "axis" })),
  ticks.map((level) => drawing("text", { x: x(level), y: y + 20 }, count(level))),
  drawing("path", { d: `M${x(exact)} ${y - 2}l-5 -10h10z`, class: "exact" }),
  drawing("text", { x: x(exact), y: y - 17, class: "exact" }, "exact"),
  marks.map((mark) => [
    drawing("circle", { cx: x(mark.level), cy: y, r: 5, class: mark.kind }),
    drawing("text", { x: x(mark.level), y: y + 36, class: mark.kind }, mark.who)]).flat());
}
