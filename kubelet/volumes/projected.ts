/**
 * Projected volumes: several sources in one directory, later ones over earlier ones.
 *
 * https://kubernetes.io/docs/concepts/storage/projected-volumes/
 */
import type { V1ProjectedVolumeSource } from "@kubernetes/client-node";
import type { Wire } from "../../machinery/objects/wire.ts";
import { DEFAULT_MODE, type Payload } from "./payload.ts";
import { configMapPayload, fieldsPayload, secretPayload, tokenPayload, type VolumeJob } from "./sources.ts";

type Projected = Wire<V1ProjectedVolumeSource>;
type Source = NonNullable<Projected["sources"]>[number];

export async function projectedPayload(projected: Projected, job: VolumeJob): Promise<Payload> {
  const mode = projected.defaultMode ?? DEFAULT_MODE;
  const parts = await Promise.all((projected.sources ?? []).map((source) => sourcePayload(source, mode, job)));
  return new Map(parts.flatMap((part) => [...part]));
}

async function sourcePayload(source: Source, mode: number, job: VolumeJob): Promise<Payload> {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  if (configMap) return configMapPayload(configMap, mode, job);
  if (secret) return secretPayload(secret, mode, job);
  if (downwardAPI) return fieldsPayload(downwardAPI, mode, job);
  if (serviceAccountToken) return tokenPayload(serviceAccountToken, mode, job);
  throw new Error(`projected volumes of type ${Object.keys(source)[0] ?? "unknown"} are not supported by this node`);
}
