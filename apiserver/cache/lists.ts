/**
 * Lists: pages of a resource at the revision that the query means.
 *
 * The present comes from memory; a past that has changed since comes from the store's history. Either way
 * a page is what there was at one revision. Long lists yield.
 */

import { breather } from "../../machinery/loop/breathe.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { Revision } from "../store/contract.ts";
import { encodeContinue, INCONSISTENT } from "./continue-token.ts";
import type { ListPage, ListQuery } from "./contract.ts";
import { asApi, tooOldToContinue } from "./errors.ts";
import { type ListMeaning, listMeaning } from "./list-options.ts";
import { createListPage } from "./list-page.ts";
import { consistent, notOlderThan, type Resource } from "./source.ts";
import { Version } from "./version.ts";
import { scope } from "./watchers.ts";

/** Which state a page shows. */
interface View {
  /** Absent: the present. */
  readonly revision?: Revision;
  /** The cache does not keep up: the present is read from the store. */
  readonly lagging?: boolean;
  /** Under the list's prefix. */
  readonly after?: string;
}

interface Scan {
  readonly prefix: string;
  readonly after: string | undefined;
  readonly nodeName: string | undefined;
  readonly limit: number;
  /** Absent: everything under the prefix. */
  readonly selects: ((version: Version) => boolean) | undefined;
}

interface Found {
  readonly revision: Revision;
  readonly items: readonly Version[];
  readonly more: boolean;
  readonly remaining: number | undefined;
}

/** Entries read from the store at a time when a selector decides how many are needed. */
const STORE_PAGE = 500;

export async function list(resource: Resource, query: ListQuery): Promise<ListPage> {
  const { description, source } = resource;
  await source.ready(query.signal);
  const meaning = listMeaning(query);
  const view = await viewOf(resource, meaning);
  const { prefix, selects } = scope(description.prefix, query.selection);
  const after = view.after === undefined ? undefined : prefix + view.after;
  // As in Kubernetes, who takes any state gets all of it.
  const limit = meaning.kind === "any" ? 0 : (query.limit ?? 0);
  const scan: Scan = { prefix, after, nodeName: query.selection.nodeName, limit, selects };
  // nothing may change the cache between this look at it and the reading
  const cached = view.revision === undefined ? !view.lagging : resource.objects.changedAt <= view.revision;
  const found = cached
    ? await fromCache(resource, scan, view.revision ?? source.freshness.seen)
    : await fromStore(resource, scan, view.revision).catch((error: unknown) => {
        const expired = meaning.kind === "continue" && error instanceof ApiError && error.code === 410;
        throw expired ? tooOldToContinue(encodeContinue({ ...meaning, resourceVersion: INCONSISTENT })) : error;
      });
  const resourceVersion = found.revision + source.offset;
  const last = found.items.at(-1);
  return createListPage(description, {
    resourceVersion: String(resourceVersion),
    continue:
      found.more && last ? encodeContinue({ resourceVersion, after: last.key.slice(prefix.length) }) : undefined,
    remaining: found.remaining,
    items: found.items,
  });
}

async function viewOf({ source }: Resource, meaning: ListMeaning): Promise<View> {
  const present = async (): Promise<View> => ({ lagging: !(await consistent(source)) });
  const past = async (resourceVersion: number): Promise<View> => {
    const revision = resourceVersion - source.offset;
    await notOlderThan(source, revision);
    if (revision < 0) throw new ApiError("Expired", "The resourceVersion for the provided list is too old.");
    return { revision };
  };
  switch (meaning.kind) {
    case "consistent":
      return present();
    case "any":
      return {};
    case "notOlderThan":
      await notOlderThan(source, meaning.resourceVersion - source.offset);
      return {};
    case "exact":
      return past(meaning.resourceVersion);
    case "continue": {
      const { resourceVersion, after } = meaning;
      return { ...(await (resourceVersion < 0 ? present() : past(resourceVersion))), after };
    }
  }
}

async function fromCache({ objects, source }: Resource, scan: Scan, revision: Revision): Promise<Found> {
  const { prefix, after, nodeName, limit, selects } = scan;
  if (!selects) {
    const { versions, remaining } = objects.range(prefix, after, limit);
    return { revision, items: versions, more: remaining > 0, remaining: remaining || undefined };
  }
  const versions =
    nodeName === undefined ? objects.range(prefix, after, 0).versions : objects.rangeOn(nodeName, prefix, after);
  const breath = breather(source.clock);
  const items: Version[] = [];
  for (const version of versions) {
    const pause = breath();
    if (pause) await pause;
    if (!selects(version)) continue;
    // the page is full, and there is at least this one more
    if (limit > 0 && items.length === limit) return { revision, items, more: true, remaining: undefined };
    items.push(version);
  }
  return { revision, items, more: false, remaining: undefined };
}

async function fromStore(
  resource: Resource,
  { prefix, after, limit, selects }: Scan,
  revision: Revision | undefined,
): Promise<Found> {
  const { store, clock } = resource.source;
  const page = (from: string | undefined, size: number, at: Revision | undefined) =>
    asApi(
      store.list({
        prefix,
        limit: size,
        ...(from === undefined ? {} : { after: from }),
        ...(at === undefined ? {} : { revision: at }),
      }),
    );

  if (!selects) {
    const { entries, remaining, revision: at } = await page(after, limit, revision);
    const items = entries.map((entry) => known(resource, entry));
    return { revision: at, items, more: remaining > 0, remaining: remaining || undefined };
  }
  const breath = breather(clock);
  const items: Version[] = [];
  for (let from = after, at = revision; ; ) {
    const { entries, remaining, revision: read } = await page(from, STORE_PAGE, at);
    for (const entry of entries) {
      const pause = breath();
      if (pause) await pause;
      const version = known(resource, entry);
      if (!selects(version)) continue;
      if (limit > 0 && items.length === limit) return { revision: read, items, more: true, remaining: undefined };
      items.push(version);
    }
    if (remaining === 0) return { revision: read, items, more: false, remaining: undefined };
    from = entries.at(-1)?.key;
    at = read;
  }
}

/** The cache's own version of an entry where it has it, so that it is not parsed twice. */
export function known({ objects, source }: Resource, entry: Parameters<typeof Version.of>[0]): Version {
  const cached = objects.get(entry.key);
  return cached?.revision === entry.modRevision ? cached : Version.of(entry, source.offset);
}
