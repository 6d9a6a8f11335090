// Numbers as they are shown.

export function percent(share) {
  if (share > 0 && share < 0.001) return "below 0.1 %";
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}
