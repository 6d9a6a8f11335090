// Text to ids and ids to text, as keras_attention.text does it in Python.

import { Problem } from "./files.js";

// What Python's str.split and str.strip take for space.
const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const SPACES = new RegExp(SPACE, "u");
const ENDS = new RegExp(`^${SPACE}|${SPACE}$`, "gu");
const MARK = "\u2581"; // before a piece: a space
const CONTINUED = "##";

// The vocabulary of one side: its part of vocabulary.json, its special ids, and patterns.json.
export function vocabularyOf(about, special, patterns) {
  const kind = about?.kind ?? null;
  if (kind === null && about?.tokens) return new Vocabulary(about, special, patterns);
  if (kind === "subwords") return new Subwords(about, special, patterns);
  throw new Problem(`vocabulary.json: expected tokens that this page knows, received ${kind}.`);
}

// Characters, or words between spaces.
class Vocabulary {
  constructor(about, special, patterns) {
    this.about = about;
    this.patterns = patterns;
    this.special = special;
    this.tokens = about.tokens;
    this.longest = about.longest ?? Infinity;
    const hidden = [special.padding, special.start, special.end];
    this.hidden = new Set(hidden);
    this.ids = new Map(about.tokens.map((token, id) => [token, id]));
    // A text that contains "<end>" does not end there.
    for (const id of [...hidden, special.unknown]) this.ids.delete(about.tokens[id]);
  }

  // The tokens of a text, and some more than are read where it is longer.
  split(text) {
    const { separator, lowercase } = this.about;
    const part = separator
      ? text : first(text.replace(ENDS, ""), this.longest + this.patterns.lookahead);
    const read = lowercase ? part.toLowerCase() : part;
    return separator ? read.split(SPACES).filter((token) => token !== "") : [...read];
  }

  // The tokens and ids of a text, and whether it was longer than the model reads.
  read(text) {
    // So that the work does not grow with the text; halves of pairs become question marks.
    const whole = first(text, this.patterns.characters).replace(/\p{Surrogate}/gu, "?");
    const all = this.split(whole);
    const tokens = all.slice(0, this.longest);
    const ids = tokens.map((token) => this.ids.get(token) ?? this.special.unknown);
    return { tokens, ids, cut: all.length > tokens.length };
  }

  // The text of ids up to their end.
  write(ids) {
    const end = ids.indexOf(this.special.end);
    const kept = (end < 0 ? ids : ids.slice(0, end)).filter((id) => !this.hidden.has(id));
    return this.join(kept.map((id) => this.tokens[id]));
  }

  join(tokens) {
    return tokens.join(this.about.separator);
  }

  // A token as it is drawn.
  shown(token) {
    return token.trim() === "" ? "\u2423" : token;
  }
}

// Pieces of words.
class Subwords extends Vocabulary {
  constructor(about, special, patterns) {
    super(about, special, patterns);
    this.spaces = new RegExp(patterns.spaces, "gu");
    this.words = new RegExp(patterns.words, "gu");
  }

  split(text) {
    const read = text.normalize("NFKC").replace(this.spaces, " ").replace(/^ +| +$/g, "");
    if (read === "") return [];
    const words = (MARK + read.replaceAll(" ", MARK)).match(this.words) ?? [];
    return words.flatMap((word) => this.pieces([...word]));
  }

  // The longest known pieces of a word from left to right, or the word if it has unknown ones.
  pieces(word) {
    const found = [];
    for (let begin = 0; begin < word.length;) {
      const prefix = begin ? CONTINUED : "";
      let end = word.length;
      while (end > begin && !this.ids.has(prefix + word.slice(begin, end).join(""))) end--;
      if (end === begin) return [word.join("")];
      found.push(prefix + word.slice(begin, end).join(""));
      begin = end;
    }
    return found;
  }

  join(tokens) {
    const unknown = this.tokens[this.special.unknown];
    const texts = tokens.map((token) => (token === unknown ? MARK + token : inside(token)));
    return texts.join("").replaceAll(MARK, " ").replace(/^ +| +$/g, "");
  }

  shown(token) {
    return super.shown(inside(token).replaceAll(MARK, ""));
  }
}

// The first characters of a text, counted as Python counts them.
function first(text, count) {
  return text.length <= count ? text : [...text.slice(0, 2 * count)].slice(0, count).join("");
}

function inside(token) {
  return token.startsWith(CONTINUED) ? token.slice(CONTINUED.length) : token;
}
