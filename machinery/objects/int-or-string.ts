/**
 * IntOrString: a number, or a percentage of a total ("25%").
 *
 * Wording: k8s.io/apimachinery/pkg/util/intstr.
 */

export type IntOrString = number | string;

/** The whole number that `value` stands for, of `total`. Throws where a string is no percentage. */
export function resolvePercent(value: IntOrString, total: number, round: "up" | "down"): number {
  if (typeof value === "number") return value;
  const percent = percentOf(value);
  if (percent === undefined) throw new Error("invalid value for IntOrString: invalid type: string is not a percentage");
  const exact = (percent * total) / 100;
  return round === "up" ? Math.ceil(exact) : Math.floor(exact);
}

/** 25 for "25%", undefined for what is no percentage. */
export function percentOf(value: IntOrString | undefined): number | undefined {
  return typeof value === "string" && /^[0-9]+%$/.test(value) ? Number(value.slice(0, -1)) : undefined;
}
