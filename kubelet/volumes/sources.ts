/**
 * Sources of configuration: from what a volume names in the API to the files that it holds.
 *
 * Used alike by volumes of one source (volumes.ts) and of several (projected.ts). What is missing
 * is an error in Kubernetes' words, unless it is optional.
 */
import type {
  V1ConfigMapProjection,
  V1DownwardAPIProjection,
  V1SecretProjection,
  V1ServiceAccountTokenProjection,
} from "@kubernetes/client-node";
import type { ConfigMap, Pod, Secret } from "../../machinery/objects/kinds.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import type { NodeFacts } from "../pods/fields.ts";
import {
  configMapBytes,
  downwardPayload,
  keysPayload,
  type Payload,
  type PayloadFile,
  secretBytes,
} from "./payload.ts";
import type { Tokens } from "./tokens.ts";

export interface VolumeSources {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
  readonly tokens: Tokens;
  readonly node: () => NodeFacts;
}

/** Everything that building one volume may ask for. */
export interface VolumeJob {
  readonly pod: Pod;
  readonly sources: VolumeSources;
}

const TOKEN_SECONDS = 3_600;

export async function configMapPayload(
  source: Wire<V1ConfigMapProjection>,
  mode: number,
  job: VolumeJob,
): Promise<Payload> {
  const { name = "", items, optional = false } = source;
  const found = await job.sources.configMap(job.pod.metadata.namespace ?? "", name);
  if (!found && !optional) throw new Error(`configmap "${name}" not found`);
  return keysPayload(found ? configMapBytes(found) : new Map(), { kind: "configmap", items, mode, optional });
}

export async function secretPayload(source: Wire<V1SecretProjection>, mode: number, job: VolumeJob): Promise<Payload> {
  const { name = "", items, optional = false } = source;
  const found = await job.sources.secret(job.pod.metadata.namespace ?? "", name);
  if (!found && !optional) throw new Error(`secret "${name}" not found`);
  return keysPayload(found ? secretBytes(found) : new Map(), { kind: "secret", items, mode, optional });
}

export function fieldsPayload(
  { items = [] }: Wire<V1DownwardAPIProjection>,
  mode: number,
  { pod, sources }: VolumeJob,
): Payload {
  return downwardPayload(pod, items, mode, sources.node());
}

/** Readable by the one user of the Pod, where there is one, else by whom the mode says. */
export async function tokenPayload(
  { path, audience, expirationSeconds = TOKEN_SECONDS }: Wire<V1ServiceAccountTokenProjection>,
  mode: number,
  { pod, sources }: VolumeJob,
): Promise<Payload> {
  const token = await sources.tokens.token(pod, audience, expirationSeconds);
  const uid = onlyUser(pod);
  const guarded = uid !== undefined || pod.spec?.securityContext?.fsGroup !== undefined;
  const file: PayloadFile = {
    data: Buffer.from(token, "utf8"),
    mode: guarded ? 0o600 : mode,
    ...(uid === undefined ? {} : { uid }),
  };
  return new Map([[path, file]]);
}

/** The one user that all containers run as, where there is exactly one. */
function onlyUser(pod: Pod): number | undefined {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const users = new Set(
    containers.map(({ securityContext }) => securityContext?.runAsUser ?? pod.spec?.securityContext?.runAsUser),
  );
  const [user] = users;
  return users.size === 1 ? user : undefined;
}
