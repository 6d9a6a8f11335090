// Wide tables and the code of notebooks are scrolled with the keys too: what the theme wraps them in
// has no focus.
new MutationObserver(() => {
  const wide = ":is(.md-typeset__scrollwrap, .highlight-ipynb):not([tabindex])";
  for (const element of document.querySelectorAll(wide)) {
    element.tabIndex = 0;
  }
}).observe(document.documentElement, { childList: true, subtree: true });
