// The tokens of an answer and their attention; each can be replaced by another.

import { labelOf, point } from "./alignment.js";
import { Menu } from "./menu.js";
import { percent } from "./format.js";
import { WeightsTable } from "./table.js";
import { TokenRow } from "./tokens.js";

// A larger table would take seconds to draw and show nothing.
const MOST_CELLS = 10000;

const at = (id) => document.getElementById(id);

export class Answer {
  // continueFrom(ids): decodes again, beginning with these ids.
  constructor(decoder, vocabulary, continueFrom) {
    this.decoder = decoder;
    this.vocabulary = vocabulary;
    this.continueFrom = continueFrom;
    this.tokens = [];
    this.row = new TokenRow(at("target"), (i) => this.pointAtTarget(i), (i) => this.choose(i));
    this.menu = new Menu(at("alignment"));
    this.table = new WeightsTable(at("table"), (row, column) => this.pointAtCell(row, column));
  }

  clear() {
    this.begin(0);
    at("weights").hidden = true;
  }

  // A new answer whose first tokens were chosen by the person.
  begin(forced) {
    this.menu.close(false);
    this.forced = forced;
    this.tokens = [];
    this.row.show([]);
    this.point(null, null);
    at("target").setAttribute("aria-busy", "true");
  }

  // token: of `Decoder.grow` or of a hypothesis.
  add(token) {
    const ends = token.id === this.decoder.special.end;
    const text = ends ? "end" : this.vocabulary.shown(this.vocabulary.tokens[token.id]);
    const weights = this.source.columns(token.attention);
    const chosen = this.tokens.length < this.forced;
    const classes = [...(ends ? ["end"] : []), ...(chosen ? ["chosen"] : [])];
    const label = labelOf({ ...token, text, ends, chosen, weights }, this.source.names);
    this.tokens.push({ ...token, text, weights });
    this.row.add({ text, label, classes, id: token.id });
  }

  finish() {
    at("target").setAttribute("aria-busy", "false");
    const text = this.vocabulary.write(this.tokens.map((token) => token.id));
    at("hint").textContent = "Choose a token to put another in its place.";
    at("notice-answer").textContent = `Answer: ${text || "nothing"}`;
    const cells = this.tokens.reduce((sum, token) => sum + token.weights.length, 0);
    const fits = cells > 0 && cells <= MOST_CELLS;
    at("weights").hidden = !fits;
    this.table.show(fits ? this.source.texts : [], fits ? this.tokens : []);
  }

  // A whole hypothesis, with the attention of the beam search.
  show(tokens) {
    this.begin(0);
    tokens.forEach((token) => this.add(token));
    this.finish();
  }

  // The menu of a token. Those of a hypothesis are not known before it is followed.
  async choose(index) {
    const ids = this.tokens.map((token) => token.id);
    const shown = this.tokens;
    let { candidates } = this.tokens[index];
    if (!candidates) {
      let position = 0;
      for await (const token of this.decoder.grow(ids.slice(0, index + 1))) {
        candidates = token.candidates;
        if (position++ === index) break;
      }
      if (shown !== this.tokens) return;
    }
    const items = candidates.map(({ id, probability }) => ({
      text: id === this.decoder.special.end
        ? "end of the answer" : this.vocabulary.shown(this.vocabulary.tokens[id]),
      share: probability,
      percent: percent(probability),
      checked: id === ids[index],
    }));
    this.menu.open(this.row.buttons[index], items, (i) => {
      this.continueFrom([...ids.slice(0, index), candidates[i].id]);
    });
  }

  pointAtTarget(index) {
    this.point(index, null);
  }

  pointAtSource(index) {
    this.point(null, index);
  }

  pointAtCell(row, column) {
    this.point(row, column);
  }

  point(row, column) {
    const views = { source: this.source, row: this.row, table: this.table, reading: at("reading") };
    point(views, this.tokens, row, column);
  }
}
