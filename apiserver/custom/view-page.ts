/**
 * View page: a list of objects as a version shows them, in slices made from each object's own bytes.
 */
import type { CachedObject, ListPage } from "../cache/contract.ts";

const SLICE_BYTES = 64 * 1024;

export function pageOf(
  page: ListPage,
  items: readonly CachedObject[],
  list: { readonly apiVersion: string; readonly kind: string },
): ListPage {
  const head = () => ({ kind: list.kind, apiVersion: list.apiVersion, metadata: page.head().metadata });
  return {
    ...page,
    items,
    head,
    value: () => ({ ...head(), items: items.map(({ object }) => object) }),
    encoded: () => encoded(JSON.stringify(head()), items),
  };
}

function* encoded(head: string, items: readonly CachedObject[]): Generator<Uint8Array, void, boolean | undefined> {
  let parts: Uint8Array[] = [Buffer.from(`${head.slice(0, -1)},"items":[`)];
  let size = 0;
  for (const [at, item] of items.entries()) {
    const bytes = item.json();
    if (at > 0) parts.push(COMMA);
    parts.push(bytes);
    size += bytes.length;
    if (size < SLICE_BYTES) continue;
    yield Buffer.concat(parts);
    parts = [];
    size = 0;
  }
  yield Buffer.concat([...parts, Buffer.from("]}")]);
}

const COMMA = Buffer.from(",");
