/**
 * Int or percent: "25%" of a number, rounded as the field asks. Written again here on purpose: the check
 * must not share a fault with what it checks.
 */
export function resolveIntOrPercent(value: number | string, of: number, round: (value: number) => number): number {
  if (typeof value === "number") return value;
  return round((Number(value.replace("%", "")) * of) / 100);
}
