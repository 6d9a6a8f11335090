// What is lit together: a token of an answer and what it attends to, and the other way round.

import { percent } from "./format.js";

// What a screen reader says of a token of an answer. names: of the source tokens.
export function labelOf({ text, ends, probability, chosen, weights }, names) {
  return [
    ends ? "End of the answer" : text,
    `probability ${percent(probability)}`,
    ...(chosen ? ["chosen"] : []),
    ...strongest(weights, names).map(([name, weight]) => `attends to ${name}, ${percent(weight)}`),
  ].join("; ");
}

// Lights what belongs to a token of the answer, to one of the source, or to both.
//
// source: what the model reads, with `names`, `light` and `mark`; row: the tokens of the answer;
// table: their weights; reading: an element that says what is lit. tokens: `{text, probability,
// weights}` each; target, column: an index or null.
export function point({ source, row, table, reading }, tokens, target, column) {
  const token = target === null ? null : tokens[target];
  table.mark(target, column);
  row.mark(target);
  source.light(token ? scaled(token.weights) : null);
  source.mark(column);
  const over = column === null ? null : tokens.map((one) => one.weights[column] ?? 0);
  row.light(over ? scaled(over) : null);
  reading.textContent = token
    ? `${token.text}, ${percent(token.probability)}: ${said(token.weights, source.names)}`
    : over ? saidOf(source.names[column], over, tokens) : "";
}

function said(weights, names) {
  return strongest(weights, names).map(([name, weight]) => `${name} ${percent(weight)}`).join(", ");
}

function saidOf(name, over, tokens) {
  const shares = strongest(over, tokens.map((token) => token.text), 3)
    .map(([text, weight]) => `${text} ${percent(weight)}`).join(", ");
  return `${name} is attended to by ${shares || "no token"}`;
}

function strongest(weights, names, count = 2) {
  const named = weights.map((weight, i) => [names[i], weight]);
  return named.sort((a, b) => b[1] - a[1]).slice(0, count).filter(([, weight]) => weight >= 0.05);
}

// The largest weight as 1, so that differences are seen.
function scaled(weights) {
  const largest = Math.max(...weights, 1e-9);
  return weights.map((weight) => weight / largest);
}
