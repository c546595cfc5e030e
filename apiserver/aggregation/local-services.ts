/**
 * Local services: an APIService for each group and version that this server serves itself, as Kubernetes has them.
 *
 * They tell, and decide nothing: what is served stands in the table of resources. Those of built-in kinds are made at
 * the start and then left to people, who may hand a group over to another server; those of custom kinds come and go
 * with their definitions. One that somebody made, without our label, is never touched.
 */
import type { Client } from "../../machinery/client/client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../../machinery/objects/status.ts";
import type { Draft, KubeObject } from "../../machinery/objects/wire.ts";
import type { ResourceCache } from "../cache/contract.ts";
import { localPriority } from "../resources/api-priorities.ts";
import type { ApiService } from "../resources/api-service.ts";
import type { ResourceRow } from "../resources/contract.ts";

export interface LocalServices {
  readonly client: Client;
  readonly cache: ResourceCache;
  readonly rows: () => readonly ResourceRow[];
}

const MANAGED = "kube-aggregator.kubernetes.io/automanaged";
const PATH = "/apis/apiregistration.k8s.io/v1/apiservices";
/** The group in which APIServices themselves are has none, as in Kubernetes. */
const WITHOUT = "apiregistration.k8s.io";

/** Of built-in kinds, at a start: writes only what is missing. */
export async function makeBuiltin({ client, cache, rows }: LocalServices): Promise<void> {
  const wanted = byVersion(rows().filter(({ custom, group }) => !custom && group !== WITHOUT));
  const missing = [...wanted].filter(([name]) => !cache.peek({ name }));
  // metrics of nodes and Pods are often handed over: that one is nobody's
  await Promise.all(missing.map(([, row]) => create(client, row, row.measured ? undefined : "onstart")));
}

/** Of custom kinds, as they are now. */
export async function keepCustom({ client, cache, rows }: LocalServices): Promise<void> {
  const wanted = byVersion(rows().filter(({ custom }) => custom));
  for (const [name, row] of wanted) if (!cache.peek({ name })) await create(client, row, "true");
  for (const { object } of [...cache.peekAll({})]) {
    const { name, labels } = object.metadata;
    if (labels?.[MANAGED] !== "true" || (object as ApiService).spec?.service || wanted.has(name)) continue;
    await client.raw({ method: "DELETE", path: `${PATH}/${name}` }).catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
  }
}

const nameOf = ({ group, version }: ResourceRow): string => `${version}.${group}`;

/** One row of each. */
const byVersion = (rows: readonly ResourceRow[]): ReadonlyMap<string, ResourceRow> =>
  new Map(rows.map((row) => [nameOf(row), row]));

async function create(client: Client, row: ResourceRow, managed: string | undefined): Promise<void> {
  const { group, version, custom } = row;
  const priority = localPriority(group, version, custom !== undefined);
  const body: Draft<ApiService> & Pick<KubeObject, "apiVersion" | "kind"> = {
    apiVersion: "apiregistration.k8s.io/v1",
    kind: "APIService",
    metadata: { name: nameOf(row), ...(managed ? { labels: { [MANAGED]: managed } } : {}) },
    spec: { group, version, groupPriorityMinimum: priority.group, versionPriority: priority.version },
  };
  await client.raw({ method: "POST", path: PATH, body }).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error; // another server was quicker
  });
}
