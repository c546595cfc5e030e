/**
 * Describer: what a file in this folder exports for its kind, and what it may ask of the server.
 *
 * A describer writes; it changes nothing. Related objects that cannot be read are left out, as kubectl does.
 */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Cluster } from "../cluster.ts";
import { resolveType } from "../discovery.ts";
import { listAll } from "../selection.ts";
import type { Document } from "./document.ts";

export interface DescribeContext {
  readonly cluster: Cluster;
  /** Milliseconds since 1970, for ages. */
  readonly now: number;
  readonly showEvents: boolean;
}

export type Describer = (object: KubeObject, document: Document, context: DescribeContext) => Promise<void>;

/** Related objects of a resource; none where they cannot be read. */
export async function related<T>(
  { cluster }: DescribeContext,
  resource: string,
  namespace: string | undefined,
  selectors: { readonly selector?: string; readonly fieldSelector?: string },
): Promise<T[]> {
  try {
    const found = await listAll(cluster, resolveType(await cluster.discovery(), resource), namespace, selectors);
    return found.map(({ object }) => object as unknown as T);
  } catch {
    return [];
  }
}
