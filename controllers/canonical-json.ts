/**
 * Canonical JSON: one text for all values that the API takes as the same.
 *
 * Keys are sorted; null, undefined and empty lists count as absent. Two statuses or templates are
 * equal when their texts are; a template's name in a ReplicaSet is a hash of its text.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined && field !== null && !(Array.isArray(field) && field.length === 0))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`);
  return `{${fields.join(",")}}`;
}

export const sameJson = (one: unknown, other: unknown): boolean => canonicalJson(one) === canonicalJson(other);
