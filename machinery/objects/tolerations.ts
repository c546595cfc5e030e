/**
 * Tolerations: whether one of them tolerates a taint. Pure.
 *
 * An empty key with Exists tolerates every taint, an empty effect every effect.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
 */
import type { Taint, Toleration } from "./kinds.ts";

export function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  return COMPARE[operator || "Equal"]?.(key ?? "", value ?? "", taint.value ?? "") ?? false;
}

const COMPARE: Readonly<Record<string, (key: string, value: string, taint: string) => boolean>> = {
  Exists: () => true,
  Equal: (key, value, taint) => key !== "" && value === taint,
  Gt: (key, value, taint) => key !== "" && isInteger(value) && isInteger(taint) && BigInt(taint) > BigInt(value),
  Lt: (key, value, taint) => key !== "" && isInteger(value) && isInteger(taint) && BigInt(taint) < BigInt(value),
};

const isInteger = (text: string) => /^-?\d+$/.test(text);
