/**
 * Warnings: what is said to a client whose object was taken all the same, and what several kinds say.
 */
import { parseQuantity } from "../../machinery/objects/quantity.ts";
import type { At } from "./path.ts";

export type Warn = (path: At, text: string) => void;

export const SECCOMP_GONE = 'non-functional in v1.27+; use the "seccompProfile" field instead';

/** Bytes come whole. */
export function fractional(amount: string | undefined, path: At, warn: Warn): void {
  if (amount === undefined || /^\d+([kMGTPE]i?)?$/.test(amount)) return;
  if (parseQuantity(amount).nanos % 1_000_000_000n === 0n) return;
  warn(path, `fractional byte value ${JSON.stringify(amount)} is invalid, must be an integer`);
}
