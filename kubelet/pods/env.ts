/**
 * Environment: the variables of one container, in Kubernetes' order and precedence.
 *
 * Later entries win; `env` may refer to what stands before it. Missing references are errors that
 * end as CreateContainerConfigError, unless they are optional.
 */
import type { ConfigMap, Container, Pod, Secret } from "../../machinery/objects/kinds.ts";
import { parseEnvFile } from "./env-file.ts";
import { expand } from "./expansion.ts";
import { type NodeFacts, podField, resourceField } from "./fields.ts";

export interface EnvSources {
  readonly podIPs: readonly string[];
  readonly node: NodeFacts;
  readonly services: ReadonlyMap<string, string>;
  /** Undefined where there is none. */
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
  /** The text of a file in a volume of the Pod. */
  file(volume: string, path: string): Promise<string | undefined>;
}

export type EnvVar = { readonly key: string; readonly value: string };
type Env = NonNullable<Container["env"]>[number];
type FileKey = NonNullable<NonNullable<Env["valueFrom"]>["fileKeyRef"]>;
type EnvFrom = NonNullable<Container["envFrom"]>[number];

export async function environment(pod: Pod, container: Container, sources: EnvSources): Promise<readonly EnvVar[]> {
  const own = new Map<string, string>();
  for (const from of container.envFrom ?? []) await addFrom(own, pod, from, sources);
  const lookup = (name: string) => own.get(name) ?? sources.services.get(name);
  for (const entry of container.env ?? []) {
    const value = await resolveValue(pod, container, entry, sources, lookup);
    if (value !== undefined) own.set(entry.name, value);
  }
  for (const [key, value] of sources.services) if (!own.has(key)) own.set(key, value);
  return [...own].map(([key, value]) => ({ key, value }));
}

async function addFrom(env: Map<string, string>, pod: Pod, from: EnvFrom, sources: EnvSources): Promise<void> {
  const data = from.configMapRef
    ? await configMapData(pod, from.configMapRef.name ?? "", from.configMapRef.optional, sources)
    : from.secretRef
      ? await secretData(pod, from.secretRef.name ?? "", from.secretRef.optional, sources)
      : undefined;
  for (const [key, value] of data ?? []) env.set(`${from.prefix ?? ""}${key}`, value);
}

async function resolveValue(
  pod: Pod,
  container: Container,
  { value, valueFrom }: Env,
  sources: EnvSources,
  lookup: (name: string) => string | undefined,
): Promise<string | undefined> {
  if (!valueFrom) return expand(value ?? "", lookup);
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom;
  if (fieldRef) return podField(pod, fieldRef.fieldPath, sources.podIPs, sources.node);
  if (resourceFieldRef) {
    const other = resourceFieldRef.containerName ? undefined : container;
    return resourceField(pod, other, resourceFieldRef, sources.node);
  }
  if (configMapKeyRef) {
    const { name = "", key, optional } = configMapKeyRef;
    return keyOf("ConfigMap", pod, name, key, optional, await configMapData(pod, name, optional, sources));
  }
  if (secretKeyRef) {
    const { name = "", key, optional } = secretKeyRef;
    return keyOf("Secret", pod, name, key, optional, await secretData(pod, name, optional, sources));
  }
  if (fileKeyRef) return fromFile(fileKeyRef, sources);
  return "";
}

async function fromFile(ref: FileKey, { file }: EnvSources): Promise<string | undefined> {
  const text = await file(ref.volumeName, ref.path);
  if (text === undefined && ref.optional) return undefined;
  if (text === undefined)
    throw new Error(`environment variable file "${ref.path}" not found in volume "${ref.volumeName}"`);
  const value = parseEnvFile(text).get(ref.key);
  if (value === undefined && !ref.optional)
    throw new Error(`environment variable key "${ref.key}" not found in file "${ref.path}"`);
  return value;
}

function keyOf(
  kind: string,
  pod: Pod,
  name: string,
  key: string,
  optional: boolean | undefined,
  data: ReadonlyMap<string, string> | undefined,
): string | undefined {
  const value = data?.get(key);
  if (value === undefined && !optional) {
    throw new Error(`couldn't find key ${key} in ${kind} ${pod.metadata.namespace}/${name}`);
  }
  return value;
}

type Data = ReadonlyMap<string, string> | undefined;

async function configMapData(pod: Pod, name: string, optional: boolean | undefined, from: EnvSources): Promise<Data> {
  const found = await from.configMap(pod.metadata.namespace ?? "", name);
  if (found) return new Map(Object.entries(found.data ?? {}));
  if (optional) return undefined;
  throw new Error(`configmap "${name}" not found`);
}

async function secretData(pod: Pod, name: string, optional: boolean | undefined, from: EnvSources): Promise<Data> {
  const found = await from.secret(pod.metadata.namespace ?? "", name);
  if (!found) {
    if (optional) return undefined;
    throw new Error(`secret "${name}" not found`);
  }
  const decode = ([key, value]: [string, string]) => [key, Buffer.from(value, "base64").toString("utf8")] as const;
  return new Map(Object.entries(found.data ?? {}).map(decode));
}
