// The most probable tokens at a position, as a menu below its token.

export class Menu {
  // parent: a positioned element that holds the menu while it is open.
  constructor(parent) {
    this.parent = parent;
    this.element = null;
    this.outside = (event) => {
      const path = event.composedPath();
      if (!path.includes(this.element) && !path.includes(this.button)) this.close(false);
    };
  }

  // items: `{text, share, percent, checked}` each, share from 0 to 1.
  open(button, items, chosen) {
    const again = this.button === button && this.element;
    this.close(false);
    if (again) return;
    this.button = button;
    const menu = document.createElement("div");
    menu.className = "menu";
    menu.setAttribute("role", "menu");
    menu.setAttribute("aria-label", `Tokens in place of ${button.textContent}`);
    const buttons = items.map((item, i) => this.item(item, () => {
      this.close(true);
      chosen(i);
    }));
    menu.append(...buttons);
    menu.addEventListener("keydown", (event) => this.key(event, buttons));
    menu.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !menu.contains(event.relatedTarget)) this.close(false);
    });
    this.element = menu;
    this.parent.append(menu);
    document.addEventListener("pointerdown", this.outside);
    this.place();
    button.setAttribute("aria-expanded", "true");
    buttons[Math.max(0, items.findIndex((item) => item.checked))].focus();
  }

  item({ text, share, percent, checked }, chosen) {
    const item = document.createElement("button");
    item.type = "button";
    item.tabIndex = -1;
    item.setAttribute("role", "menuitemradio");
    item.setAttribute("aria-checked", String(Boolean(checked)));
    item.style.setProperty("--share", share.toFixed(4));
    const [name, number] = [document.createElement("span"), document.createElement("span")];
    name.textContent = text;
    number.textContent = percent;
    item.append(name, " ", number);
    item.addEventListener("click", chosen);
    return item;
  }

  place() {
    const around = this.parent.getBoundingClientRect();
    const at = this.button.getBoundingClientRect();
    const room = around.width - this.element.offsetWidth;
    const left = Math.min(Math.max(at.left - around.left, 0), Math.max(room, 0));
    this.element.style.setProperty("left", `${left}px`);
    this.element.style.setProperty("top", `${at.bottom - around.top + 4}px`);
  }

  key(event, buttons) {
    const last = buttons.length - 1;
    const at = buttons.indexOf(event.target.closest("button"));
    const next = at === last ? 0 : at + 1;
    const to = { ArrowDown: next, ArrowUp: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      buttons[to].focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      this.close(true);
    }
  }

  close(focuses) {
    if (!this.element) return;
    const element = this.element;
    this.element = null;
    document.removeEventListener("pointerdown", this.outside);
    element.remove();
    this.button.setAttribute("aria-expanded", "false");
    if (focuses) this.button.focus();
  }
}
