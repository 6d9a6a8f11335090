// Greedy decoding one step at a time, from any beginning, and the hypotheses of the beam search.

export const ALTERNATIVES = 8;

export class Decoder {
  // special: the special ids of what the model writes; maxLength: its largest number of tokens.
  constructor(model, special, maxLength) {
    this.model = model;
    this.special = special;
    this.maxLength = maxLength;
    this.never = new Set([special.padding, special.start].filter((id) => id !== special.end));
  }

  // source: tensors by name.
  async read(source) {
    this.source = source;
    // What each step was given and gave, as far as it is known for this source.
    this.known = [];
    await this.model.read(source);
  }

  // Yields each token of the most probable continuation of the ids `forced`, the end included.
  async *grow(forced = []) {
    const known = this.known;
    let token = this.special.start;
    for (let position = 0; position < this.maxLength; position++) {
      const { probabilityOf, ...said } = await this.at(known, position, token);
      // Another source has been read meanwhile.
      if (known !== this.known) return;
      token = position < forced.length ? forced[position] : said.candidates[0].id;
      yield { id: token, probability: probabilityOf(token), ...said };
      if (token === this.special.end) return;
    }
  }

  // What the model says at a position behind `token`.
  async at(known, position, token) {
    if (known[position]?.token === token) return known[position].said;
    known.length = position;
    const { logits, attention } = await this.model.step(position, token);
    const said = { ...this.ranked(logits.data), attention: attention.data, shape: attention.dims };
    known.push({ token, said });
    return said;
  }

  // The most probable tokens; of equal ones the first.
  ranked(logits) {
    const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
    const probabilityOf = (id) => Math.exp(logits[id] - largest) / sum;
    const ids = [...logits.keys()].filter((id) => !this.never.has(id));
    ids.sort((a, b) => logits[b] - logits[a] || a - b);
    const candidates = ids.slice(0, ALTERNATIVES).map((id) => (
      { id, probability: probabilityOf(id) }));
    return { candidates, probabilityOf };
  }

  // The hypotheses that begin with the ids `forced`, best first.
  async beam(forced = []) {
    const prefix = forced.length ? forced : [this.special.padding];
    const found = await this.model.beam(this.source, prefix);
    const [, count, width] = found.sequences.dims;
    const cell = found.attention.data.length / (count * width || 1);
    const hypotheses = [];
    for (let n = 0; n < count; n++) {
      const length = found.lengths.data[n];
      const from = n * width;
      const tokens = Array.from({ length }, (_, t) => ({
        id: found.sequences.data[from + t],
        probability: Math.exp(found.token_scores.data[from + t]),
        attention: found.attention.data.slice((from + t) * cell, (from + t + 1) * cell),
      }));
      // A beam search may find fewer hypotheses than it has beams.
      if (length > 0) hypotheses.push({ score: found.scores.data[n], tokens });
    }
    return hypotheses;
  }
}
