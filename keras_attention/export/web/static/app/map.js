// An image with the weights of a token over it, and the cell that is pointed at.

const LONGEST_SIDE = 640;
const DARKEST = 0.8;

export class ImageMap {
  // pointed(index of the cell or null).
  constructor(element, pointed) {
    this.element = element;
    this.pointed = pointed;
    this.cell = 0;
  }

  // A bitmap, and the height and width of maps over it once they are known.
  show(bitmap) {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    this.canvas = document.createElement("canvas");
    this.canvas.width = Math.max(1, Math.round(scale * bitmap.width));
    this.canvas.height = Math.max(1, Math.round(scale * bitmap.height));
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label",
      "The image. The arrow keys point at its parts; the tokens that attend to them light up.");
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.pointed(null));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("focusout", () => this.pointed(null));
    this.bitmap = bitmap;
    this.element.replaceChildren(this.canvas);
    this.element.hidden = false;
    this.light(null);
  }

  shape(height, width) {
    this.height = height;
    this.width = width;
  }

  point(event) {
    if (!this.height) return;
    const box = this.canvas.getBoundingClientRect();
    const part = (at, from, size, count) => (
      Math.min(Math.max(Math.floor(((at - from) / size) * count), 0), count - 1));
    const row = part(event.clientY, box.top, box.height, this.height);
    const column = part(event.clientX, box.left, box.width, this.width);
    this.pointed(this.cell = row * this.width + column);
  }

  key(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const move = moves[event.key];
    if (!move || !this.height) return;
    event.preventDefault();
    const row = Math.min(Math.max(Math.floor(this.cell / this.width) + move[0], 0), this.height - 1);
    const column = Math.min(Math.max((this.cell % this.width) + move[1], 0), this.width - 1);
    this.pointed(this.cell = row * this.width + column);
  }

  // Darkens the image where the weights are low; null shows it as it is.
  light(weights) {
    if (!this.canvas) return;
    const context = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    context.drawImage(this.bitmap, 0, 0, width, height);
    if (!weights) return;
    const shade = new ImageData(this.width, this.height);
    weights.forEach((weight, i) => { shade.data[4 * i + 3] = 255 * DARKEST * (1 - weight); });
    const small = new OffscreenCanvas(this.width, this.height);
    small.getContext("2d").putImageData(shade, 0, 0);
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, width, height);
  }

  // The frame of the cell that is pointed at, over what `light` drew.
  mark(cell) {
    if (cell === null || !this.height || !this.canvas) return;
    const [w, h] = [this.canvas.width / this.width, this.canvas.height / this.height];
    const context = this.canvas.getContext("2d");
    const [x, y] = [(cell % this.width) * w, Math.floor(cell / this.width) * h];
    for (const [colour, width] of [["#000", 5], ["#fff", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(x, y, w, h);
    }
  }
}
