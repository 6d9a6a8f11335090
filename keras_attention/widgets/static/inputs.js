// What the model reads: a text that can be edited, or one of some images.

import { ImageMap } from "../../export/web/static/app/map.js";
import { TokenRow } from "../../export/web/static/app/tokens.js";
import { made, seen } from "./parts.js";

// The text that is read, which can be edited, and its tokens.
export class TextInput {
  constructor(explorer) {
    this.input = made("input", "");
    this.input.type = "text";
    this.input.autocomplete = "off";
    this.input.spellcheck = false;
    const button = made("button", "", "Decode");
    button.type = "submit";
    this.element = made("form", "line", made("label", "", "Text ", this.input), button);
    const submit = (event) => {
      event.preventDefault();
      explorer.ask({ text: this.input.value, forced: [] });
    };
    this.element.addEventListener("submit", submit);
    // JupyterLab keeps a form from being submitted by Enter.
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) submit(event);
    });
    this.row = new TokenRow(explorer.parts.source, (i) => explorer.point(null, i), () => {});
    this.text = () => explorer.model.get("text");
    this.texts = this.names = [];
  }

  show({ source }) {
    this.input.value = this.text();
    this.texts = this.names = source.map(seen);
    this.row.show(this.texts.map((text) => ({ text, label: `Source token ${text}` })));
  }

  light(weights) {
    this.row.light(weights);
  }

  mark(index) {
    this.row.mark(index);
  }
}

// Images, one of which is read, and the weights over it.
export class ImageInput {
  constructor(explorer, images) {
    this.map = new ImageMap(explorer.parts.picture, (index) => explorer.point(null, index));
    this.texts = this.names = [];
    this.picked = () => explorer.model.get("picked");
    this.buttons = images.map((bytes, i) => {
      const button = made("button", "");
      button.type = "button";
      button.setAttribute("aria-label", `Image ${i + 1}`);
      button.addEventListener("click", () => explorer.ask({ picked: i, forced: [] }));
      return button;
    });
    this.element = made("div", "images", ...this.buttons);
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Images");
    this.bitmaps = images.map((bytes, i) => this.load(bytes, this.buttons[i]));
  }

  async load(bytes, button) {
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = made("canvas", "");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    button.append(canvas);
    return bitmap;
  }

  async show({ map: [height, width] }) {
    const picked = this.picked();
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === picked)));
    const cells = Array.from({ length: height * width }, (_, i) => (
      [Math.floor(i / width) + 1, (i % width) + 1]));
    this.texts = this.names = cells.map(([row, column]) => `row ${row} column ${column}`);
    this.map.shape(height, width);
    const bitmap = await this.bitmaps[picked];
    if (picked === this.picked()) this.map.show(bitmap);
  }

  light(weights) {
    this.map.light(weights);
  }

  mark(index) {
    this.map.mark(index);
  }
}
