// A row of tokens as buttons: one stop of the tabulator, arrow keys between them.

export class TokenRow {
  // element: of role toolbar. pointed(index or null): a token is pointed at or has the focus.
  // pressed(index): it is clicked.
  constructor(element, pointed, pressed) {
    this.element = element;
    this.buttons = [];
    const indexOf = (event) => this.buttons.indexOf(event.target.closest("button"));
    const tell = (event) => {
      const index = indexOf(event);
      pointed(index < 0 ? null : index);
    };
    element.addEventListener("pointerover", tell);
    element.addEventListener("pointerleave", () => pointed(null));
    element.addEventListener("focusin", (event) => {
      this.stopAt(indexOf(event));
      tell(event);
    });
    element.addEventListener("focusout", () => pointed(null));
    element.addEventListener("click", (event) => {
      if (indexOf(event) >= 0) pressed(indexOf(event));
    });
    element.addEventListener("keydown", (event) => this.move(event, indexOf(event)));
  }

  move(event, index) {
    const last = this.buttons.length - 1;
    const to = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: last }[event.key];
    if (to === undefined || index < 0) return;
    event.preventDefault();
    this.buttons[Math.min(Math.max(to, 0), last)].focus();
  }

  stopAt(index) {
    this.buttons.forEach((button, i) => { button.tabIndex = i === Math.max(index, 0) ? 0 : -1; });
  }

  // tokens: `{text, label, classes, id}` each; with an id, a token opens a menu.
  show(tokens) {
    this.element.replaceChildren();
    this.buttons = [];
    tokens.forEach((token) => this.add(token));
  }

  add({ text, label, classes = [], id = null }) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = ["token", ...classes].join(" ");
    button.textContent = text;
    button.setAttribute("aria-label", label);
    if (id !== null) {
      button.dataset.id = id;
      button.setAttribute("aria-haspopup", "menu");
      button.setAttribute("aria-expanded", "false");
    }
    button.tabIndex = this.buttons.length ? -1 : 0;
    this.buttons.push(button);
    this.element.append(button);
  }

  // Lights tokens by weights from 0 to 1; null for none.
  light(weights) {
    this.buttons.forEach((button, i) => {
      button.style.setProperty("--weight", weights ? (weights[i] ?? 0).toFixed(4) : "0");
    });
  }

  mark(index) {
    this.buttons.forEach((button, i) => button.classList.toggle("pointed", i === index));
  }
}
