/**
 * Configured values: reads a configuration's parts as what they must be, and says of what is not where it stands.
 */

export class ConfigurationError extends Error {}

export type Json = Readonly<Record<string, unknown>>;

export function objectOf(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new ConfigurationError(`${what}: an object is needed`);
}

export function listOf(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new ConfigurationError(`${what}: a list is needed`);
}

export function textOf(value: unknown, what: string): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw new ConfigurationError(`${what}: a text is needed`);
}

export function numberOf(
  value: unknown,
  what: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
  throw new ConfigurationError(`${what}: a number ${range} is needed`);
}

/** One of these, which must be given. */
export function choiceOf(value: unknown, what: string, choices: readonly string[]): string {
  const text = textOf(value, what);
  if (text !== undefined && choices.includes(text)) return text;
  const named = choices.map((one) => JSON.stringify(one)).join(", ");
  throw new ConfigurationError(
    `${what}: one of ${named} is needed${text === undefined ? "" : `, not ${JSON.stringify(text)}`}`,
  );
}

/** Nothing but these: a misspelt key would go unseen. */
export function onlyKeys(object: Json, what: string, keys: readonly string[]): void {
  const other = Object.keys(object).find((key) => !keys.includes(key));
  if (other === undefined) return;
  const known = keys.length > 0 ? `: there are ${keys.join(", ")}` : "";
  throw new ConfigurationError(`${what}.${other}: no such field${known}`);
}

export const fail = (what: string, why: string): never => {
  throw new ConfigurationError(`${what}: ${why}`);
};
