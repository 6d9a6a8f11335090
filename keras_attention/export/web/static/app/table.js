// The attention weights as a table: a row per token of the answer, a column per source token.

export class WeightsTable {
  // pointed(row or null, column or null).
  constructor(element, pointed) {
    this.element = element;
    element.addEventListener("pointerover", (event) => {
      const cell = event.target.closest("td, th[scope]");
      if (!cell) return pointed(null, null);
      const { row, column } = cell.dataset;
      pointed(row === undefined ? null : Number(row), column === undefined ? null : Number(column));
    });
    element.addEventListener("pointerleave", () => pointed(null, null));
  }

  show(sources, targets) {
    const table = document.createElement("table");
    const head = document.createElement("tr");
    head.append(document.createElement("td"));
    sources.forEach((text, column) => head.append(heading(text, "col", { column })));
    table.createTHead().append(head);
    const body = table.createTBody();
    targets.forEach(({ text, weights }, row) => {
      const line = document.createElement("tr");
      line.append(heading(text, "row", { row }));
      weights.forEach((weight, column) => line.append(cell(weight, row, column)));
      body.append(line);
    });
    this.element.replaceChildren(table);
  }

  mark(row, column) {
    for (const one of this.element.querySelectorAll(".pointed")) one.classList.remove("pointed");
    const chosen = [
      ...(row === null ? [] : [`[data-row="${row}"]`]),
      ...(column === null ? [] : [`[data-column="${column}"]`]),
    ];
    if (!chosen.length) return;
    const both = chosen.length === 2 ? chosen.join("") : chosen[0];
    for (const one of this.element.querySelectorAll(both)) one.classList.add("pointed");
  }
}

function heading(text, scope, place) {
  const element = document.createElement("th");
  element.scope = scope;
  element.textContent = text;
  Object.assign(element.dataset, place);
  return element;
}

function cell(weight, row, column) {
  const element = document.createElement("td");
  const hidden = document.createElement("span");
  hidden.className = "unseen";
  hidden.textContent = `${Math.round(100 * weight)} %`;
  element.append(hidden);
  element.style.setProperty("--weight", weight.toFixed(6));
  Object.assign(element.dataset, { row, column });
  return element;
}
