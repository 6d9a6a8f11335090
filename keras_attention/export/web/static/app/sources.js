// What the model reads: a text, or an image.

import { imageOf, pixelsOf } from "./image.js";
import { ImageMap } from "./map.js";
import { TokenRow } from "./tokens.js";

// A text in a form; `changed(source)` when it is sent.
export class TextSource {
  // metadata: of the input of encoder.onnx.
  constructor(vocabulary, metadata, pointed) {
    this.vocabulary = vocabulary;
    this.name = metadata.name;
    this.length = typeof metadata.shape[1] === "number" ? metadata.shape[1] : null;
    this.row = new TokenRow(document.getElementById("source"), pointed, (i) => this.pin(i));
    this.pointed = pointed;
    this.pinned = null;
  }

  listen(changed) {
    const form = document.getElementById("text-form");
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      changed(document.getElementById("text").value);
    });
  }

  // Reads a text; the notice that belongs to it, "" if none.
  async read(text) {
    const { tokens, ids, cut } = this.vocabulary.read(text);
    if (!tokens.length) return { notice: "Enter a text first.", tensors: null };
    const length = this.length ?? ids.length;
    const data = new Int32Array(length).fill(this.vocabulary.special.padding);
    data.set(ids.slice(0, length));
    this.tokens = tokens.slice(0, length);
    const unknown = this.tokens.filter((_, i) => ids[i] === this.vocabulary.special.unknown);
    const notices = [];
    if (cut || tokens.length > length) {
      notices.push(`Only the first ${this.tokens.length} tokens are read.`);
    }
    if (unknown.length) notices.push(`Not in the vocabulary: ${[...new Set(unknown)].join(" ")}`);
    this.texts = this.tokens.map((token) => this.vocabulary.shown(token));
    this.names = this.texts;
    this.row.show(this.texts.map((text) => ({ text, label: `Source token ${text}` })));
    this.row.buttons.forEach((button) => button.setAttribute("aria-pressed", "false"));
    this.pinned = null;
    const tensors = { [this.name]: { type: "int32", data, dims: [1, length] } };
    return { notice: notices.join(" "), tensors };
  }

  // Where there is no pointer, a click keeps a token pointed at.
  pin(index) {
    this.pinned = this.pinned === index ? null : index;
    this.row.buttons.forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i === this.pinned));
    });
    this.pointed(this.pinned ?? index);
  }

  shape() {}

  // The weights that belong to tokens, without those of padding.
  columns(attention) {
    return [...attention].slice(0, this.texts.length);
  }

  light(weights) {
    this.row.light(weights);
  }

  mark(index) {
    this.row.mark(index);
  }
}

// An image, chosen or dropped.
export class ImageSource {
  constructor(size, pixels, pointed) {
    this.size = size;
    this.pixels = pixels;
    this.map = new ImageMap(document.getElementById("picture"), pointed);
    document.getElementById("source").hidden = true;
  }

  listen(changed) {
    const form = document.getElementById("image-form");
    form.hidden = false;
    const input = document.getElementById("image");
    input.addEventListener("change", () => {
      if (input.files[0]) changed(input.files[0]);
      input.value = "";
    });
    const drop = document.getElementById("drop");
    for (const [type, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
      drop.addEventListener(type, (event) => {
        event.preventDefault();
        drop.classList.toggle("over", over);
      });
    }
    drop.addEventListener("drop", (event) => {
      if (event.dataTransfer.files[0]) changed(event.dataTransfer.files[0]);
    });
  }

  async read(file) {
    const image = await imageOf(file, this.pixels);
    this.map.show(image.bitmap);
    this.texts = this.names = [];
    return { notice: "", tensors: { image: pixelsOf(image, ...this.size) } };
  }

  // The shape of the attention of a step: `(1, h, w)`.
  shape([, height, width = 1]) {
    this.map.shape(height, width);
    const cells = Array.from({ length: height * width }, (_, i) => (
      [Math.floor(i / width) + 1, (i % width) + 1]));
    this.texts = cells.map(([row, column]) => `${row}, ${column}`);
    this.names = cells.map(([row, column]) => `row ${row} column ${column}`);
  }

  columns(attention) {
    return [...attention];
  }

  light(weights) {
    this.map.light(weights);
  }

  mark(index) {
    this.map.mark(index);
  }
}
