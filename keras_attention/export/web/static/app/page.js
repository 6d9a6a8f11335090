// The page of a loaded model: what is typed is decoded, and what is pointed at is drawn.

import { Answer } from "./answer.js";
import { Decoder } from "./decoding.js";
import { Problem } from "./files.js";
import { percent } from "./format.js";
import { Model } from "./model.js";
import { ImageSource, TextSource } from "./sources.js";
import { vocabularyOf } from "./text.js";

const MOST_PIXELS = 89478485;
const START_GRAPHS = ["encoder", "step"];

const at = (id) => document.getElementById(id);

// Loads the graphs and shows the form; `fail(error)` tells what goes wrong later.
export async function open(files, manifest, fail) {
  const [about, patterns, , wasm, ...graphs] = await Promise.all([
    files.json("vocabulary.json"),
    files.json("patterns.json"),
    files.read("runtime/ort.js"),
    files.read("runtime/ort.wasm"),
    ...[...START_GRAPHS, "beam"].map((name) => files.read(`${name}.onnx`)),
  ]);
  const target = vocabularyOf(about.target, about.special_ids, patterns);
  const model = new Model();
  const named = Object.fromEntries([...START_GRAPHS, "beam"].map((name, i) => [name, graphs[i]]));
  const inputs = await model.load(named, wasm);
  const decoder = new Decoder(model, about.special_ids, about.max_length);
  const page = new Page(decoder, target, fail);
  const pointed = (index) => page.answer.pointAtSource(index);
  if (about.image) {
    page.source = new ImageSource(about.image.size, manifest.limits?.pixels ?? MOST_PIXELS, pointed);
  } else {
    const source = vocabularyOf(about.source, about.source_special_ids, patterns);
    page.source = new TextSource(source, inputs.encoder[0], pointed);
  }
  page.begin(manifest);
}

class Page {
  constructor(decoder, target, fail) {
    this.decoder = decoder;
    this.target = target;
    this.fail = fail;
    this.job = 0;
    this.last = Promise.resolve();
    this.answer = new Answer(this.decoder, target, (forced) => this.decode(forced));
    at("free").addEventListener("click", () => this.decode([]));
  }

  begin(manifest) {
    this.answer.source = this.source;
    at("about").textContent = this.source instanceof TextSource
      ? "Enter a text. The answer grows token by token; point at a token to see what it attends to."
      : "Choose an image. The answer grows token by token; point at a token to see where it attends.";
    const figures = Object.entries(manifest.figures ?? {}).map(([name, value]) => `${name}: ${value}`);
    at("figures").textContent = figures.join("; ");
    this.source.listen((given) => this.read(given));
    const linked = this.linked();
    if (linked && this.source instanceof TextSource) {
      at("text").value = linked;
      this.read(linked);
    }
  }

  // The text behind # in the address, so that an answer can be linked to.
  linked() {
    try {
      return decodeURIComponent(location.hash.slice(1));
    } catch {
      return "";
    }
  }

  // One after the other, and only the newest: what is asked in between is left out.
  run(task) {
    const job = ++this.job;
    const stale = () => job !== this.job;
    at("main").dataset.busy = "yes";
    this.last = this.last.then(() => (stale() ? null : task(stale))).catch((error) => {
      if (error instanceof Problem && !this.decoder.model.ended) this.notice(error.message, true);
      else this.fail(error);
    }).finally(() => { if (!stale()) delete at("main").dataset.busy; });
    return this.last;
  }

  notice(text, wrong = false) {
    at("notice").textContent = text;
    at("notice").classList.toggle("error", wrong);
  }

  read(given) {
    return this.run(async (stale) => {
      this.notice("");
      const { notice, tensors } = await this.source.read(given);
      this.notice(notice);
      if (!tensors) return;
      at("answer").hidden = false;
      this.answer.clear();
      await this.decoder.read(tensors);
      await this.search([], stale);
    });
  }

  decode(forced) {
    return this.run((stale) => this.search(forced, stale));
  }

  // Greedily, shown as it grows; then by the beam search.
  async search(forced, stale) {
    at("free").hidden = !forced.length;
    at("best").hidden = true;
    this.answer.begin(forced.length);
    for await (const token of this.decoder.grow(forced)) {
      if (stale()) return;
      this.source.shape(token.shape);
      this.answer.add(token);
    }
    this.answer.finish();
    at("hypotheses").replaceChildren();
    at("best-wait").hidden = false;
    at("best").hidden = false;
    const found = await this.decoder.beam(forced);
    if (stale()) return;
    at("best-wait").hidden = true;
    at("hypotheses").append(...found.map((hypothesis) => this.line(hypothesis)));
  }

  line({ tokens, score }) {
    const button = document.createElement("button");
    const [text, number] = [document.createElement("span"), document.createElement("span")];
    text.textContent = this.target.write(tokens.map((token) => token.id)) || "(nothing)";
    const probability = tokens.reduce((product, token) => product * token.probability, 1);
    number.textContent = percent(probability);
    number.title = `score ${score.toFixed(3)}`;
    button.type = "button";
    button.append(text, " ", number);
    button.addEventListener("click", () => {
      for (const other of at("hypotheses").querySelectorAll("button")) {
        other.removeAttribute("aria-current");
      }
      button.setAttribute("aria-current", "true");
      this.answer.show(tokens);
    });
    const item = document.createElement("li");
    item.append(button);
    return item;
  }
}
