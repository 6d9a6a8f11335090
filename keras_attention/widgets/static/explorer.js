// The view of a model in a notebook: Python computes, this draws.

import { labelOf, point } from "../../export/web/static/app/alignment.js";
import { percent } from "../../export/web/static/app/format.js";
import { Menu } from "../../export/web/static/app/menu.js";
import { WeightsTable } from "../../export/web/static/app/table.js";
import { TokenRow } from "../../export/web/static/app/tokens.js";
import { ImageInput, TextInput } from "./inputs.js";
import { made, seen } from "./parts.js";
import { BeamTree } from "./tree.js";

const LARGEST_TABLE = 2000;

export default {
  render({ model, el }) {
    const explorer = new Explorer(model, el);
    const shown = () => explorer.show(model.get("answer"));
    model.on("change:answer", shown);
    shown();
    return () => model.off("change:answer", shown);
  },
};

class Explorer {
  constructor(model, element) {
    this.model = model;
    this.tokens = [];
    element.classList.add("keras-attention");
    // The keys of a notebook, such as that which deletes a cell, are not meant here, unless they
    // are pressed with another, as to save it. JupyterLab looks at the focused element first.
    const quiet = ({ target, ctrlKey, metaKey }) => {
      target.toggleAttribute("data-lm-suppress-shortcuts", !(ctrlKey || metaKey));
    };
    for (const type of ["keydown", "keyup", "focusin"]) element.addEventListener(type, quiet);
    const parts = {
      notice: made("p", "notice"), said: made("p", "unseen"), source: made("div", "tokens source"),
      picture: made("div", "picture"), target: made("div", "tokens target"),
      reading: made("p", "reading"), free: made("button", "", "Without the chosen tokens"),
      follow: made("button", "", "Continue from this hypothesis"), results: made("ol", "results"),
      tree: made("div", "tree"), reason: made("p", "reason"), table: made("div", "weights"),
    };
    this.parts = parts;
    for (const [name, role, label] of [
      ["source", "toolbar", "Source tokens"], ["target", "toolbar", "Tokens of the answer"],
      ["tree", "group", "Beam search"], ["table", "group", "Table of the weights"],
    ]) {
      parts[name].setAttribute("role", role);
      parts[name].setAttribute("aria-label", label);
    }
    parts.table.tabIndex = 0;
    for (const name of ["notice", "said"]) parts[name].setAttribute("role", "status");
    parts.reason.setAttribute("aria-hidden", "true");
    parts.reading.setAttribute("aria-hidden", "true");
    for (const button of [parts.free, parts.follow]) button.type = "button";
    parts.free.addEventListener("click", () => this.force([]));
    parts.follow.addEventListener("click", () => this.force(this.tokens.map(({ id }) => id)));
    this.build(element);
  }

  build(element) {
    const { parts } = this;
    const images = this.model.get("images");
    const source = images.length ? parts.picture : parts.source;
    const alignment = made("div", "alignment", source, parts.target);
    this.row = new TokenRow(parts.target, (i) => this.point(i, null), (i) => this.choose(i));
    this.menu = new Menu(alignment);
    this.table = new WeightsTable(parts.table, (row, column) => this.point(row, column));
    this.tree = new BeamTree(parts.tree, (node) => this.explain(node), (node) => this.select(node));
    this.input = images.length ? new ImageInput(this, images) : new TextInput(this);
    const legend = "Each column is a step, the most probable hypotheses at the top, with the "
      + "log-probability so far; what was dropped is dashed. \u25a0 is a result, \u25a1 has ended "
      + "but is beaten by the results, \u2026 is unfinished.";
    this.search = made("summary", "");
    this.weights = made("details", "", made("summary", "", "Attention weights"), parts.table);
    element.replaceChildren(
      this.input.element, parts.notice, parts.said, alignment, parts.reading,
      made("p", "hint", "Choose a token of the answer to put another in its place."),
      made("div", "actions", parts.free, parts.follow),
      this.details(this.search, parts.results, parts.tree, parts.reason, made("p", "hint", legend)),
      this.weights,
    );
  }

  details(...content) {
    const details = made("details", "", ...content);
    details.open = true;
    return details;
  }

  // Asks Python for another answer.
  ask(values) {
    this.menu.close(false);
    this.parts.target.setAttribute("aria-busy", "true");
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  force(ids) {
    this.ask({ forced: ids });
  }

  show(answer) {
    const { parts } = this;
    this.menu.close(false);
    parts.target.setAttribute("aria-busy", "false");
    parts.notice.classList.toggle("error", Boolean(answer.error));
    parts.notice.textContent = answer.error ?? answer.notice ?? "";
    if (!answer.nodes) return;
    this.answer = answer;
    this.input.show(answer);
    answer.nodes.forEach((node) => {
      const ends = node.id === answer.end && node.parent !== null;
      node.ends = ends;
      node.text = node.parent === null ? "start" : ends ? "end" : seen(node.token);
      node.label = node.parent === null ? "start" : `${node.text} ${node.total.toFixed(2)}; `
        + `probability ${percent(node.probability)}. ${node.reason}`;
    });
    this.search.textContent = `Beam search, ${answer.num_beams} at a time`;
    this.tree.show(answer.nodes);
    const results = answer.best.map((node, i) => this.result(node, answer.texts[i]));
    parts.results.replaceChildren(...results);
    parts.said.textContent = `Answer: ${answer.texts[0] || "nothing"}`;
    parts.free.hidden = !answer.forced.length;
    this.select(answer.best[0] ?? 0);
  }

  result(node, text) {
    const path = this.tree.path(node);
    const share = path.reduce((product, i) => product * this.answer.nodes[i].probability, 1);
    const button = made("button", "", made("span", "", text || "(nothing)"), " ",
      made("span", "total", percent(share)));
    button.type = "button";
    button.dataset.number = node;
    button.addEventListener("click", () => this.select(node));
    return made("li", "", button);
  }

  // Shows the tokens up to a node as the answer.
  select(number) {
    const { nodes, forced, best } = this.answer;
    this.selected = number;
    this.row.show([]);
    this.tokens = this.tree.path(number).slice(1).map((i, position) => {
      const node = nodes[i];
      const chosen = position < forced.length;
      const before = nodes[node.parent];
      const token = { ...node, chosen, weights: before.weights ?? [], candidates: before.choices };
      const classes = [...(node.ends ? ["end"] : []), ...(chosen ? ["chosen"] : [])];
      const label = labelOf(token, this.input.names);
      this.row.add({ text: node.text, label, classes, id: node.id });
      return token;
    });
    this.parts.follow.hidden = best.includes(number) || number === 0 || nodes[number].ends;
    for (const button of this.parts.results.querySelectorAll("button")) {
      button.setAttribute("aria-current", String(Number(button.dataset.number) === number));
    }
    const cells = this.input.texts.length * this.tokens.length;
    this.weights.hidden = !cells || cells > LARGEST_TABLE || this.answer.map !== null;
    if (this.weights.hidden) this.table.show([], []);
    else this.table.show(this.input.texts, this.tokens);
    this.point(null, null);
    this.explain(null);
  }

  // Why a node was kept or not; without one, that of what is shown.
  explain(number) {
    const at = number ?? this.selected;
    this.tree.mark(at, this.selected);
    const node = this.answer.nodes[at];
    const words = this.tree.path(at).slice(1).map((i) => this.answer.nodes[i].text).join(" ");
    this.parts.reason.textContent = node.parent === null ? "" : `${words}: ${node.reason}`;
  }

  // The menu of a token of the answer.
  choose(index) {
    const ids = this.tokens.map(({ id }) => id);
    const items = this.tokens[index].candidates.map(({ id, token, probability }) => ({
      text: id === this.answer.end ? "end of the answer" : seen(token),
      share: probability,
      percent: percent(probability),
      checked: id === ids[index],
    }));
    this.menu.open(this.row.buttons[index], items, (i) => {
      this.force([...ids.slice(0, index), this.tokens[index].candidates[i].id]);
    });
  }

  point(target, column) {
    const { row, table, parts: { reading } } = this;
    point({ source: this.input, row, table, reading }, this.tokens, target, column);
  }
}
