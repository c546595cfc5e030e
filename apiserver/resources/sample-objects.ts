/**
 * Sample objects: for tests of rows: minimal good objects, and the way a request takes them through a row.
 *
 * The order of the steps is that of apiserver/request/create.ts and update.ts; nothing in the product imports this.
 */
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { ResourceRow } from "./contract.ts";
import { FieldErrors } from "./field-errors.ts";
import { ResourceTable } from "./table.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const table = new ResourceTable();

/** Any JSON that a test writes down. */
export type Loose = Record<string, unknown>;

export function rowOf(plural: string): ResourceRow {
  const row = table.rows.find((one) => one.plural === plural);
  if (!row) throw new Error(`no row for ${plural}`);
  return row;
}

export interface Tried {
  readonly object: StoredObject & Loose;
  /** "spec.replicas: Invalid value: -1: …", one an error. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

export function tryCreate(plural: string, body: Loose, row: ResourceRow = rowOf(plural)): Tried {
  const object = objectOf(row, body);
  const { strategy } = row;
  strategy.defaults?.(object);
  object.metadata.uid = "0000-1";
  object.metadata.creationTimestamp = "2026-01-01T00:00:00Z";
  strategy.prepareForCreate?.(object, { user: "tester", identity: { name: "tester", groups: [] }, now: NOW });
  strategy.defaults?.(object);
  const errors = new FieldErrors();
  strategy.validate?.(object, errors);
  strategy.validateCreate?.(object, errors);
  return tried(row, object, errors);
}

/** `change` gets a copy of the stored object. */
export function tryUpdate(plural: string, stored: StoredObject & Loose, change: (object: Loose) => void): Tried {
  const row = rowOf(plural);
  const { strategy } = row;
  const old = deepFreeze(structuredClone(stored));
  const object = structuredClone(stored);
  change(object);
  strategy.defaults?.(object);
  strategy.prepareForUpdate?.(object, old);
  strategy.defaults?.(object);
  const errors = new FieldErrors();
  strategy.validate?.(object, errors);
  strategy.validateUpdate?.(object, old, errors);
  return tried(row, object, errors, old);
}

function tried({ strategy }: ResourceRow, object: KubeObject, errors: FieldErrors, old?: KubeObject): Tried {
  return {
    object: object as StoredObject & Loose,
    errors: errors.causes.map(({ field, message }) => `${field}: ${message}`),
    warnings: strategy.warnings?.(object, old) ?? [],
  };
}

function objectOf(row: ResourceRow, body: Loose): KubeObject {
  const { metadata = {}, ...rest } = structuredClone(body);
  return {
    apiVersion: row.group ? `${row.group}/${row.version}` : row.version,
    kind: row.kind,
    metadata: { name: "web", ...(row.namespaced && { namespace: "default" }), ...(metadata as object) },
    ...rest,
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}

/** A Pod spec of one container, with `more` in it. */
export const podSpec = (more: Loose = {}): Loose => ({ containers: [{ name: "c", image: "nginx:1.27" }], ...more });
/** A Pod spec whose one container has `more`. */
export const withContainer = (more: Loose): Loose =>
  podSpec({ containers: [{ name: "c", image: "nginx:1.27", ...more }] });
export const template = (spec: Loose = podSpec()): Loose => ({ metadata: { labels: { app: "web" } }, spec });
export const selector: Loose = { matchLabels: { app: "web" } };
export const deployment = (more: Loose = {}): Loose => ({ spec: { selector, template: template(), ...more } });
export const service = (more: Loose = {}): Loose => ({
  spec: { selector: { app: "web" }, ports: [{ port: 80 }], ...more },
});
export const job = (more: Loose = {}): Loose => ({
  spec: { template: { spec: podSpec({ restartPolicy: "Never" }) }, ...more },
});

/** Enough of each kind to be valid. */
export const minimal: Readonly<Record<string, Loose>> = {
  configmaps: { data: { a: "b" } },
  endpoints: {},
  events: { involvedObject: { namespace: "default" }, metadata: { name: "e" } },
  limitranges: { spec: { limits: [] } },
  namespaces: {},
  nodes: {},
  persistentvolumeclaims: { spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } },
  persistentvolumes: {
    spec: { accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" }, hostPath: { path: "/data" } },
  },
  pods: { spec: podSpec() },
  podtemplates: { template: template() },
  replicationcontrollers: { spec: { template: template() } },
  resourcequotas: { spec: { hard: { pods: "10" } } },
  secrets: {},
  serviceaccounts: {},
  services: service(),
  controllerrevisions: { revision: 1, data: { spec: {} } },
  daemonsets: { spec: { selector, template: template() } },
  deployments: deployment(),
  replicasets: { spec: { selector, template: template() } },
  statefulsets: { spec: { selector, template: template() } },
  cronjobs: { spec: { schedule: "*/5 * * * *", jobTemplate: job() } },
  jobs: job(),
  horizontalpodautoscalers: { spec: { maxReplicas: 3, scaleTargetRef: { kind: "Deployment", name: "web" } } },
  poddisruptionbudgets: { spec: { minAvailable: 1, selector } },
  priorityclasses: { value: 5 },
  endpointslices: { addressType: "IPv4", endpoints: [{ addresses: ["10.0.0.1"] }], ports: [{ port: 80 }] },
  leases: { spec: { leaseDurationSeconds: 15, holderIdentity: "a" } },
  ingresses: { spec: { defaultBackend: { service: { name: "web", port: { number: 80 } } } } },
  networkpolicies: { spec: { podSelector: {} } },
  clusterrolebindings: { roleRef: { kind: "ClusterRole", name: "view" } },
  rolebindings: { roleRef: { kind: "Role", name: "view" } },
  storageclasses: { provisioner: "example.com/disk" },
};
