/**
 * Projected volumes: several sources in one directory, later ones over earlier ones.
 *
 * https://kubernetes.io/docs/concepts/storage/projected-volumes/
 */
import type { V1ProjectedVolumeSource } from "@kubernetes/client-node";
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import {
  configMapBytes,
  DEFAULT_MODE,
  downwardPayload,
  keysPayload,
  type Payload,
  type PayloadFile,
  secretBytes,
} from "./payload.ts";
import type { VolumeJob } from "./volumes.ts";

type Projected = Wire<V1ProjectedVolumeSource>;
type Source = NonNullable<Projected["sources"]>[number];

const TOKEN_SECONDS = 3_600;

export async function projectedPayload(projected: Projected, job: VolumeJob): Promise<Payload> {
  const mode = projected.defaultMode ?? DEFAULT_MODE;
  const parts = await Promise.all((projected.sources ?? []).map((source) => sourcePayload(source, mode, job)));
  return new Map(parts.flatMap((part) => [...part]));
}

async function sourcePayload(source: Source, mode: number, job: VolumeJob): Promise<Payload> {
  const { pod, sources } = job;
  const namespace = pod.metadata.namespace ?? "";
  if (source.configMap) {
    const { name = "", items, optional = false } = source.configMap;
    const found = await sources.configMap(namespace, name);
    if (!found && !optional) throw new Error(`configmap "${name}" not found`);
    return keysPayload(found ? configMapBytes(found) : new Map(), { kind: "configmap", items, mode, optional });
  }
  if (source.secret) {
    const { name = "", items, optional = false } = source.secret;
    const found = await sources.secret(namespace, name);
    if (!found && !optional) throw new Error(`secret "${name}" not found`);
    return keysPayload(found ? secretBytes(found) : new Map(), { kind: "secret", items, mode, optional });
  }
  if (source.downwardAPI) return downwardPayload(pod, source.downwardAPI.items ?? [], mode, sources.node());
  if (source.serviceAccountToken) return tokenPayload(source.serviceAccountToken, mode, job);
  throw new Error(`projected volumes of type ${Object.keys(source)[0] ?? "unknown"} are not supported by this node`);
}

async function tokenPayload(
  { path, audience, expirationSeconds = TOKEN_SECONDS }: NonNullable<Source["serviceAccountToken"]>,
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
