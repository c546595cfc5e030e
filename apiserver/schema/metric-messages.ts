/**
 * Metric messages: the types of metrics.k8s.io, which the published models leave out because another server usually
 * serves them. Nothing is ever decoded as one of them: they are there for OpenAPI and `kubectl explain`.
 */
import type { Field, FieldType, GroupVersionKind, Message } from "./contract.ts";
import { META_PACKAGE } from "./facts.ts";

const PACKAGE = "io.k8s.metrics.pkg.apis.metrics.v1beta1";
const USAGE: FieldType = { kind: "map", of: { kind: "quantity" } };

const meta = (name: string): FieldType => ({ kind: "message", name: `${META_PACKAGE}.${name}` });
const own = (name: string): FieldType => ({ kind: "message", name: `${PACKAGE}.${name}` });
const list = (of: FieldType): FieldType => ({ kind: "list", of });

function message(name: string, fields: Readonly<Record<string, FieldType>>, optional: readonly string[]): Message {
  const entries = Object.entries(fields).map(([field, type]): [string, Field] => [
    field,
    { name: field, type, required: !optional.includes(field) },
  ]);
  return { name: `${PACKAGE}.${name}`, fields: new Map(entries), atomic: false };
}

const TYPED: Readonly<Record<string, FieldType>> = { apiVersion: { kind: "string" }, kind: { kind: "string" } };
const MEASURED: Readonly<Record<string, FieldType>> = {
  ...TYPED,
  metadata: meta("ObjectMeta"),
  timestamp: { kind: "time" },
  window: { kind: "duration" },
};
const OPTIONAL = ["apiVersion", "kind", "metadata"];

const container = message("ContainerMetrics", { name: { kind: "string" }, usage: USAGE }, []);
const kinds: readonly (readonly [string, readonly Message[]])[] = [
  ["NodeMetrics", [message("NodeMetrics", { ...MEASURED, usage: USAGE }, OPTIONAL)]],
  [
    "PodMetrics",
    [message("PodMetrics", { ...MEASURED, containers: list(own("ContainerMetrics")) }, OPTIONAL), container],
  ],
  ...["NodeMetrics", "PodMetrics"].map((kind): [string, Message[]] => [
    `${kind}List`,
    [message(`${kind}List`, { ...TYPED, metadata: meta("ListMeta"), items: list(own(kind)) }, OPTIONAL)],
  ]),
];

export const metricMessages: readonly {
  readonly kind: GroupVersionKind;
  readonly name: string;
  readonly messages: readonly Message[];
}[] = kinds.map(([kind, messages]) => ({
  kind: { group: "metrics.k8s.io", version: "v1beta1", kind },
  name: `${PACKAGE}.${kind}`,
  messages,
}));
