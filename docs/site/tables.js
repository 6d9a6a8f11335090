// Wide tables are scrolled with the keys too: the theme wraps them in an element without focus.
new MutationObserver(() => {
  for (const element of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) {
    element.tabIndex = 0;
  }
}).observe(document.documentElement, { childList: true, subtree: true });
