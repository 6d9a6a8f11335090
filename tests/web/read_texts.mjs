// Reads texts with the page's vocabularies: JSON on the standard input, JSON out.
//
// node read_texts.mjs < {"about", "special", "patterns", "texts", "ids"}

import { readFileSync } from "node:fs";
import { vocabularyOf } from "../../keras_attention/export/web/static/app/text.js";

const { about, special, patterns, texts, ids } = JSON.parse(readFileSync(0, "utf-8"));
const vocabulary = vocabularyOf(about, special, patterns);
const read = texts.map((text) => vocabulary.read(text));
const written = ids.map((row) => vocabulary.write(row));
process.stdout.write(JSON.stringify({ read, written }));
