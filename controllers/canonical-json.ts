/**
 * Canonical JSON: what the API takes as the same value.
 *
 * The order of keys does not matter; null, undefined and empty lists count as absent. Two statuses or
 * templates are equal when `sameJson` says so; a template's name in a ReplicaSet is a hash of its text.
 */

/** One text for all values that are the same. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const fields = Object.entries(value)
    .filter(([, field]) => !isAbsent(field))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`);
  return `{${fields.join(",")}}`;
}

/** Whether both have the same text, without making it. */
export function sameJson(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (isAbsent(one) || isAbsent(other)) return isAbsent(one) && isAbsent(other);
  if (typeof one !== "object" || typeof other !== "object") return false;
  if (Array.isArray(one) || Array.isArray(other)) {
    if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false;
    return one.every((item, index) => sameJson(item, other[index]));
  }
  return hasAll(one as Fields, other as Fields) && hasNoMore(one as Fields, other as Fields);
}

type Fields = Readonly<Record<string, unknown>>;

const isAbsent = (value: unknown): boolean =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0);

function hasAll(one: Fields, other: Fields): boolean {
  for (const name in one) if (!sameJson(one[name], other[name])) return false;
  return true;
}

function hasNoMore(one: Fields, other: Fields): boolean {
  for (const name in other) if (!(name in one) && !isAbsent(other[name])) return false;
  return true;
}
