/** Names near a mistyped one, nearest first: what kubectl offers after "Did you mean this?". */
export function similar(name: string, known: readonly string[]): string[] {
  return known
    .map((one) => ({ one, distance: distance(name.toLowerCase(), one.toLowerCase()) }))
    .filter(({ one, distance: far }) => far <= 2 || one.startsWith(name.toLowerCase()))
    .sort((a, b) => a.distance - b.distance || a.one.localeCompare(b.one))
    .map(({ one }) => one);
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
