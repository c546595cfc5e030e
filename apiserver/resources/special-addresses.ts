/**
 * Special addresses: where a Service must not lead: the node itself, link-local and multicast addresses.
 */
import type { FieldErrors } from "./field-errors.ts";

const SPECIAL: readonly (readonly [RegExp, string])[] = [
  [/^(0\.0\.0\.0|::)$/, "may not be unspecified"],
  [/^(127\.|::1$)/, "may not be in the loopback range (127.0.0.0/8, ::1/128)"],
  [/^(169\.254\.|fe[89ab])/i, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"],
  [/^(224\.0\.0\.|ff02:)/i, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"],
];

export function validateOrdinary(address: string, path: string, errors: FieldErrors): void {
  for (const [pattern, message] of SPECIAL) if (pattern.test(address)) errors.invalid(path, address, message);
}
