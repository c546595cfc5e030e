/**
 * List slices: a list in a form other than the stored objects, as JSON, made and written a few items at a time.
 *
 * An item is converted when its slice is asked for: a Table of 10,000 Pods made at once would stop the server
 * for more than half a second.
 */
import type { CachedObject } from "../cache/contract.ts";

/** Characters of one slice, one item aside. */
const SLICE_LENGTH = 32 * 1024;

/** `head` has everything but the items, which stand under `field` at the end. */
export function* listSlices<T = CachedObject>(
  head: Readonly<Record<string, unknown>>,
  field: "items" | "rows",
  items: readonly T[],
  show: (item: T) => unknown,
): Generator<Uint8Array> {
  let text = `${JSON.stringify(head).slice(0, -1)},"${field}":[`;
  for (const [index, item] of items.entries()) {
    text += `${index === 0 ? "" : ","}${JSON.stringify(show(item))}`;
    if (text.length < SLICE_LENGTH) continue;
    yield Buffer.from(text);
    text = "";
  }
  yield Buffer.from(`${text}]}\n`);
}
