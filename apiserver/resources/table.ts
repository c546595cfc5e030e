/**
 * The table of resources: one row for every kind that the server serves.
 *
 * The generic code finds everything it needs to know of a kind here. Order is the order of discovery.
 * Rows stand by topic in rows-core.ts, rows-workloads.ts and rows-cluster.ts, what is measured and not stored in
 * rows-metrics.ts; what a row says is in contract.ts; discovery.ts tells clients of them.
 */
import type { ResourceRow } from "./contract.ts";
import { clusterRows } from "./rows-cluster.ts";
import { coreRows } from "./rows-core.ts";
import { metricRows } from "./rows-metrics.ts";
import { workloadRows } from "./rows-workloads.ts";

/** What is stored. */
export const builtinResources: readonly ResourceRow[] = [...coreRows, ...workloadRows, ...clusterRows];

/** Rows by what requests and objects name. Rows may join and leave while the server runs. */
export class ResourceTable {
  private readonly byPlural = new Map<string, ResourceRow>();
  private readonly byKind = new Map<string, ResourceRow>();

  constructor(rows: Iterable<ResourceRow> = [...builtinResources, ...metricRows]) {
    for (const row of rows) this.add(row);
  }

  get rows(): readonly ResourceRow[] {
    return [...this.byPlural.values()];
  }

  add(row: ResourceRow): void {
    this.byPlural.set(`${row.group}/${row.version}/${row.plural}`, row);
    this.byKind.set(`${row.group}/${row.version}/${row.kind}`, row);
  }

  remove(row: ResourceRow): void {
    this.byPlural.delete(`${row.group}/${row.version}/${row.plural}`);
    this.byKind.delete(`${row.group}/${row.version}/${row.kind}`);
  }

  find(group: string, version: string, plural: string): ResourceRow | undefined {
    return this.byPlural.get(`${group}/${version}/${plural}`);
  }

  ofKind(group: string, version: string, kind: string): ResourceRow | undefined {
    return this.byKind.get(`${group}/${version}/${kind}`);
  }
}
