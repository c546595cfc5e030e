/**
 * JSON text: writes values that JavaScript cannot hold: 1e400, keys that stand twice, `__proto__` as an own key.
 *
 * Such a piece stands in a value as a marked string, and is put as it is into the text.
 */
const MARK = "\u0001raw:";

/** A piece of JSON text that stands for a value. */
export const rawJson = (text: string): string => `${MARK}${encodeURIComponent(text)}`;

export const jsonText = (value: unknown): string =>
  (JSON.stringify(value) ?? "null").replace(/"\\u0001raw:([^"]*)"/g, (_all, text: string) => decodeURIComponent(text));
