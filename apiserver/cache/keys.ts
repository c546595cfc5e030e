/**
 * Keys: where things lie in the store. The only file that spells these paths.
 *
 * Objects: /registry/<group or "core">/<plural>/[<namespace>/]<name>. Everything else, which no watcher
 * of objects sees, lies under /k8ts/.
 */
import type { ObjectName } from "./contract.ts";

export const registryPrefix = "/registry/";
export const internalPrefix = "/k8ts/";
/** Decimal text: resourceVersion = revision + this. Larger after a restore, so that versions never go back. */
export const offsetKey = `${internalPrefix}resource-version-offset`;
/** Text: why no server may work on this store. */
export const closedKey = `${internalPrefix}closed`;
/** Decimal text: the format in which everything is written. */
export const formatKey = `${internalPrefix}format`;
/** A key for each server that works on a store which servers share; JSON. */
export const serversPrefix = `${internalPrefix}servers/`;
/** Written only to make a lagging watch move. */
export const progressKey = `${internalPrefix}progress`;

export function storagePrefix(group: string, plural: string): string {
  return `${registryPrefix}${group || "core"}/${plural}/`;
}

/** The resource's prefix of an object's key, or undefined when it is not an object's. */
export function prefixOf(key: string): string | undefined {
  if (!key.startsWith(registryPrefix)) return undefined;
  const group = key.indexOf("/", registryPrefix.length);
  const plural = group < 0 ? -1 : key.indexOf("/", group + 1);
  return plural < 0 ? undefined : key.slice(0, plural + 1);
}

export function objectKey(prefix: string, { namespace, name }: ObjectName): string {
  return namespace ? `${prefix}${namespace}/${name}` : prefix + name;
}

/** Namespace and name of a key under `prefix`; a name never holds a slash. */
export function nameOfKey(prefix: string, key: string): ObjectName {
  const slash = key.indexOf("/", prefix.length);
  if (slash < 0) return { name: key.slice(prefix.length) };
  return { namespace: key.slice(prefix.length, slash), name: key.slice(slash + 1) };
}
