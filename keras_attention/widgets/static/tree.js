// A beam search as columns of hypotheses, one a step, with lines from each to those it became.

const SVG = "http://www.w3.org/2000/svg";

export class BeamTree {
  // element: scrolls. pointed(number or null): a node is pointed at or has the focus.
  // pressed(number): it is clicked.
  constructor(element, pointed, pressed) {
    this.element = element;
    this.canvas = document.createElement("div");
    this.canvas.className = "canvas";
    this.canvas.setAttribute("role", "tree");
    this.canvas.setAttribute("aria-label", "Hypotheses of the beam search");
    element.replaceChildren(this.canvas);
    this.nodes = [];
    this.buttons = [];
    const numberOf = (event) => Number(event.target.closest("button")?.dataset.number ?? -1);
    const tell = (event) => {
      const number = numberOf(event);
      pointed(number < 0 ? null : number);
    };
    this.canvas.addEventListener("pointerover", tell);
    this.canvas.addEventListener("pointerleave", () => pointed(null));
    this.canvas.addEventListener("focusin", (event) => {
      this.stopAt(numberOf(event));
      tell(event);
    });
    this.canvas.addEventListener("focusout", () => pointed(null));
    this.canvas.addEventListener("click", (event) => {
      if (numberOf(event) >= 0) pressed(numberOf(event));
    });
    this.canvas.addEventListener("keydown", (event) => this.move(event, numberOf(event)));
    // Where things are is known once they are seen.
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  // nodes: of the answer, the first of them the start; `text` and `label` of each are shown.
  show(nodes) {
    this.nodes = nodes;
    this.lines = document.createElementNS(SVG, "svg");
    this.lines.setAttribute("aria-hidden", "true");
    this.buttons = nodes.map((node, number) => this.button(node, number));
    this.columns = [];
    nodes.forEach((node, number) => {
      (this.columns[node.position + 1] ??= []).push(number);
    });
    this.columns.forEach((column) => column.sort((a, b) => this.order(a, b)));
    this.canvas.replaceChildren(this.lines, ...this.columns.map((column) => {
      const element = document.createElement("div");
      element.className = "column";
      element.setAttribute("role", "presentation");
      element.append(...column.map((number) => this.buttons[number]));
      return element;
    }));
    this.stopAt(0);
    this.draw();
  }

  // What was dropped comes last; else the most probable first.
  order(a, b) {
    const [one, other] = [this.nodes[a], this.nodes[b]];
    const dropped = (node) => Number(node.fate === "dropped");
    return dropped(one) - dropped(other) || other.total - one.total;
  }

  button(node, number) {
    const button = document.createElement("button");
    const [token, total] = [document.createElement("span"), document.createElement("span")];
    button.type = "button";
    button.className = `node ${node.fate}`;
    button.dataset.number = number;
    button.setAttribute("role", "treeitem");
    button.setAttribute("aria-level", String(node.position + 2));
    button.setAttribute("aria-label", node.label);
    token.textContent = node.text;
    total.className = "total";
    total.textContent = node.parent === null ? "" : node.total.toFixed(2);
    button.append(token, " ", total);
    return button;
  }

  // Right to what it became, left to what it came from, up and down in a step.
  move(event, number) {
    if (number < 0) return;
    const node = this.nodes[number];
    const column = this.columns[node.position + 1];
    const at = column.indexOf(number);
    const next = this.columns[node.position + 2] ?? [];
    const to = {
      ArrowLeft: node.parent,
      ArrowRight: next.find((other) => this.nodes[other].parent === number),
      ArrowUp: column[at - 1],
      ArrowDown: column[at + 1],
      Home: 0,
    }[event.key];
    if (!(event.key.startsWith("Arrow") || event.key === "Home")) return;
    event.preventDefault();
    if (to !== undefined && to !== null) this.buttons[to].focus();
  }

  stopAt(number) {
    this.buttons.forEach((button, i) => { button.tabIndex = i === Math.max(number, 0) ? 0 : -1; });
  }

  // The numbers of the nodes from the start to one of them.
  path(number) {
    const numbers = [];
    for (let at = number; at !== null; at = this.nodes[at].parent) numbers.unshift(at);
    return numbers;
  }

  // Marks the way to a node, and the node that is shown.
  mark(number, shown) {
    const way = new Set(this.path(number));
    this.buttons.forEach((button, i) => {
      button.classList.toggle("way", way.has(i));
      button.setAttribute("aria-selected", String(i === shown));
    });
    for (const line of this.lines.children) {
      line.classList.toggle("way", way.has(Number(line.dataset.to)));
    }
  }

  // The lines, between where the nodes are now.
  draw() {
    if (!this.lines || !this.canvas.offsetWidth) return;
    this.lines.setAttribute("width", this.canvas.offsetWidth);
    this.lines.setAttribute("height", this.canvas.offsetHeight);
    const way = new Set([...this.lines.querySelectorAll(".way")].map((line) => line.dataset.to));
    this.lines.replaceChildren(...this.nodes.flatMap((node, number) => {
      if (node.parent === null) return [];
      const [from, to] = [this.buttons[node.parent], this.buttons[number]];
      const x = from.offsetLeft + from.offsetWidth;
      const y = from.offsetTop + from.offsetHeight / 2;
      const [endX, endY] = [to.offsetLeft, to.offsetTop + to.offsetHeight / 2];
      const half = (endX - x) / 2;
      const line = document.createElementNS(SVG, "path");
      line.setAttribute("d", `M${x} ${y} C${x + half} ${y} ${endX - half} ${endY} ${endX} ${endY}`);
      line.setAttribute("class", node.fate === "dropped" ? "dropped" : "");
      line.dataset.to = number;
      line.classList.toggle("way", way.has(String(number)));
      return [line];
    }));
  }
}
