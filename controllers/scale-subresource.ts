/**
 * Scale subresource: how many replicas an object of any kind asks for, for kinds that are known by name only.
 */
import type { Client } from "../machinery/client/client.ts";
import { isNotFound } from "../machinery/objects/status.ts";

export interface Scale {
  readonly uid: string;
  readonly replicas: number;
}

export interface Reference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

interface ResourceList {
  readonly resources?: readonly { readonly name: string; readonly kind: string }[];
}

/** Undefined where there is no such object. Throws where its kind is not served, or cannot be scaled. */
export async function scaleOf(client: Client, owner: Reference, namespace: string): Promise<Scale | undefined> {
  const { apiVersion, kind, name } = owner;
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const { resources = [] } = await served(client, root);
  const plural = resources.find((one) => one.kind === kind && !one.name.includes("/"))?.name;
  if (!plural) throw new Error(`no matches for kind "${kind}" in version "${apiVersion}"`);
  if (!resources.some((one) => one.name === `${plural}/scale`)) {
    const group = apiVersion.includes("/") ? `.${apiVersion.split("/")[0]}` : "";
    throw new Error(`${plural}${group} does not implement the scale subresource`);
  }
  const path = `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}/${encodeURIComponent(name)}/scale`;
  try {
    const scale = (await client.raw({ method: "GET", path })) as {
      readonly metadata: { readonly uid: string };
      readonly spec?: { readonly replicas?: number };
    };
    return { uid: scale.metadata.uid, replicas: scale.spec?.replicas ?? 0 };
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function served(client: Client, path: string): Promise<ResourceList> {
  try {
    return (await client.raw({ method: "GET", path })) as ResourceList;
  } catch (error) {
    if (isNotFound(error)) return {};
    throw error;
  }
}
