/**
 * Indexes: "0,2-4" as numbers. Written again here on purpose: a check must not share a fault with what it checks.
 */
export function indexesOf(text: string | undefined): ReadonlySet<number> {
  const found = new Set<number>();
  for (const part of (text ?? "").split(",").filter((one) => one !== "")) {
    const [low = 0, high = low] = part.split("-").map(Number);
    for (let index = low; index <= high; index++) found.add(index);
  }
  return found;
}
