// What the parts of the explorer are made of.

// An element with a class, and others or texts in it; texts are never read as markup.
export function made(tag, className, ...content) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...content);
  return element;
}

// A token as it is drawn: marks of subwords and spaces at its ends are seen.
export function seen(token) {
  const text = token.replace(/^##/u, "").replaceAll("\u2581", " ");
  return text.trim() === "" ? "\u2423" : text.trim();
}
