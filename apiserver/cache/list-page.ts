/**
 * List page: a list as an object, and as JSON in slices made of its items' bytes.
 *
 * Nothing here is ever one big string: 10,000 Pods as one stringify would stop the server for 300 ms.
 */
import type { ListPage, ResourceDescription } from "./contract.ts";
import type { Version } from "./version.ts";

/** Bytes of one slice, unless one object is larger. */
const SLICE_BYTES = 64 * 1024;

export interface PageParts {
  readonly resourceVersion: string;
  readonly continue: string | undefined;
  readonly remaining: number | undefined;
  readonly items: readonly Version[];
}

export function createListPage(description: ResourceDescription, parts: PageParts): ListPage {
  const { listKind, apiVersion } = description;
  const metadata = (): Record<string, unknown> => ({
    resourceVersion: parts.resourceVersion,
    ...(parts.continue === undefined ? {} : { continue: parts.continue }),
    ...(parts.remaining === undefined ? {} : { remainingItemCount: parts.remaining }),
  });
  const head = () => ({ kind: listKind, apiVersion, metadata: metadata() });
  return {
    ...parts,
    head,
    value: () => ({ ...head(), items: parts.items.map(({ object }) => object) }),
    encoded() {
      const text = JSON.stringify(head()).slice(0, -1);
      return slices(`${text},"items":[`, parts.items, "]}\n");
    },
  };
}

/** A reader that is done with a slice asks for the next with `next(true)`: then that gets its memory. */
function* slices(
  head: string,
  items: readonly Version[],
  tail: string,
): Generator<Uint8Array, void, boolean | undefined> {
  let slice = Buffer.allocUnsafe(Math.max(SLICE_BYTES, head.length * 4));
  let at = slice.write(head, 0);
  let first = true;
  for (const item of items) {
    const needed = item.jsonLength + 1;
    if (at + needed > slice.length) {
      const free = yield slice.subarray(0, at);
      if (!free || needed > slice.length) slice = Buffer.allocUnsafe(Math.max(SLICE_BYTES, needed));
      at = 0;
    }
    if (!first) slice[at++] = 0x2c; // ","
    first = false;
    at = item.writeJson(slice, at);
  }
  if (at + tail.length > slice.length) {
    yield slice.subarray(0, at);
    slice = Buffer.allocUnsafe(tail.length);
    at = 0;
  }
  at += slice.write(tail, at);
  yield slice.subarray(0, at);
}
