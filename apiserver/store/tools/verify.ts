/**
 * Verify: whether everything that is stored can be read, is what its key says, and is of a kind that is served.
 */

import type { KubeObject } from "../../../machinery/objects/wire.ts";
import { nameOfKey, prefixOf } from "../../cache/keys.ts";
import { decodeEnvelope } from "../envelope.ts";
import type { BackupEntry } from "./backup-file.ts";
import { createStoredKinds } from "./stored-kinds.ts";

export interface Verification {
  readonly objects: number;
  /** Objects by "group/resource". */
  readonly resources: ReadonlyMap<string, number>;
  readonly problems: readonly string[];
}

/** Problems that are told; what is beyond them is counted. */
const MOST = 100;

export interface Verifier {
  entry(entry: BackupEntry): void;
  problem(text: string): void;
  result(): Verification;
}

export function createVerifier(): Verifier {
  const resources = new Map<string, number>();
  const problems: string[] = [];
  const kinds = createStoredKinds();
  let objects = 0;
  let more = 0;
  const problem = (text: string) => {
    if (problems.length < MOST) problems.push(text);
    else more++;
  };
  return {
    problem,
    entry({ key, value }) {
      const prefix = prefixOf(key);
      if (prefix === undefined) return; // the server's own
      const [, , group = "", resource = ""] = prefix.split("/");
      const name = `${group === "core" ? "" : `${group}/`}${resource}`;
      resources.set(name, (resources.get(name) ?? 0) + 1);
      objects++;
      const found = read(key, prefix, value);
      if (typeof found === "string") problem(`${key}: ${found}`);
      else kinds.object(key, group === "core" ? "" : group, resource, found);
    },
    result() {
      for (const one of kinds.problems()) problem(one);
      return { objects, resources, problems: more > 0 ? [...problems, `and ${more} more`] : problems };
    },
  };
}

/** The object, or what is wrong with it. */
function read(key: string, prefix: string, value: Uint8Array): Partial<KubeObject> | string {
  try {
    const { content, json, cause } = decodeEnvelope(value);
    if (content !== "object") return "a tombstone lies where an object should";
    if (!cause.user) return "nobody is said to have written it";
    const object = JSON.parse(Buffer.from(json).toString("utf8")) as Partial<KubeObject>;
    const { namespace, name } = nameOfKey(prefix, key);
    const { metadata } = object;
    if (metadata?.name !== name || (metadata?.namespace ?? undefined) !== namespace)
      return `it is ${metadata?.namespace ?? ""}/${metadata?.name}`;
    return object;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
