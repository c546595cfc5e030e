/**
 * Rows of metrics.k8s.io: kinds that are measured when somebody asks, and stored nowhere.
 *
 * Names, verbs and columns are those of Kubernetes' own server of these metrics. What is told of them:
 * ../request/metrics-api.ts.
 */
import { addQuantities, formatQuantity, parseQuantity, zeroQuantity } from "../../machinery/objects/quantity.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import { type ColumnOf, columns, nameColumn, text } from "./columns/column.ts";
import type { ResourceRow } from "./contract.ts";
import { group, type RowParts } from "./row.ts";

interface Measured extends StoredObject {
  readonly window: string;
  /** A node's. */
  readonly usage?: Readonly<Record<string, string>>;
  /** A Pod's. */
  readonly containers?: readonly { readonly usage: Readonly<Record<string, string>> }[];
}

function quantityColumn(name: string): ColumnOf<Measured> {
  const cell = ({ usage, containers = [] }: Measured) => {
    const parts = [...(usage ? [usage] : []), ...containers.map((one) => one.usage)];
    const total = parts.reduce((sum, part) => addQuantities(sum, parseQuantity(part[name] ?? "0")), zeroQuantity);
    return formatQuantity(total);
  };
  return { ...text<Measured>(name, `Use of ${name}`, cell), format: "quantity" };
}

const measuredColumns = columns<Measured>(nameColumn, quantityColumn("cpu"), quantityColumn("memory"), {
  ...text<Measured>("Window", "How long it was measured", ({ window }) => window),
  format: "duration",
});

const metrics = group("metrics.k8s.io", "v1beta1");
const measured: RowParts = { verbs: ["get", "list"], virtual: true, columns: measuredColumns };

export const metricRows: readonly ResourceRow[] = [
  { ...metrics("NodeMetrics", "nodes", { ...measured, cluster: true }), singular: "", measured: true },
  { ...metrics("PodMetrics", "pods", measured), singular: "", measured: true },
];
