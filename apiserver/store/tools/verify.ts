/**
 * Verify: whether everything that is stored can be read, and is what its key says.
 */
import { nameOfKey, prefixOf } from "../../cache/keys.ts";
import { decodeEnvelope } from "../envelope.ts";
import type { BackupEntry } from "./backup-file.ts";

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
      const why = problemOf(key, prefix, value);
      if (why !== undefined) problem(`${key}: ${why}`);
    },
    result: () => ({ objects, resources, problems: more > 0 ? [...problems, `and ${more} more`] : problems }),
  };
}

function problemOf(key: string, prefix: string, value: Uint8Array): string | undefined {
  try {
    const { content, json, cause } = decodeEnvelope(value);
    if (content !== "object") return "a tombstone lies where an object should";
    if (!cause.user) return "nobody is said to have written it";
    const { metadata } = JSON.parse(Buffer.from(json).toString("utf8")) as { metadata?: Record<string, unknown> };
    const { namespace, name } = nameOfKey(prefix, key);
    if (metadata?.["name"] !== name || (metadata["namespace"] ?? undefined) !== namespace)
      return `it is ${String(metadata?.["namespace"] ?? "")}/${String(metadata?.["name"])}`;
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
