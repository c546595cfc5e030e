/**
 * Foreign OpenAPI: what another API server says of its group and version, put beside our own documents.
 *
 * A definition that both have is taken from ours. Documents of version 3 go through as they are.
 */
import type { JsonSchema } from "./openapi-schemas.ts";

export interface ForeignOpenApi {
  /** "apis/custom.metrics.k8s.io/v1beta2", as the index of version 3 names it. */
  readonly name: string;
  /** Of its document of version 3; undefined where there is none. */
  hash(): Promise<string | undefined>;
  v3(): Promise<string | undefined>;
  v2(): Promise<ForeignV2 | undefined>;
}

export interface ForeignV2 {
  /** The same for the same text. */
  readonly hash: string;
  readonly paths: readonly (readonly [string, JsonSchema])[];
  readonly definitions: readonly (readonly [string, JsonSchema])[];
}

interface Document {
  readonly paths?: Readonly<Record<string, JsonSchema>>;
  readonly definitions?: Readonly<Record<string, JsonSchema>>;
}

/** The part of a document of version 2 that is about one group and version, with all definitions. */
export function foreignV2(hash: string, { paths = {}, definitions = {} }: Document, name: string): ForeignV2 {
  const own = Object.entries(paths).filter(([path]) => path.startsWith(`/${name}/`));
  return { hash, paths: own, definitions: Object.entries(definitions) };
}

/** Those of all, each name once, and none that is ours. */
export function beside<T>(
  ours: Iterable<string>,
  theirs: readonly (readonly (readonly [string, T])[])[],
): readonly (readonly [string, T])[] {
  const taken = new Set(ours);
  return theirs.flat().filter(([name]) => {
    if (taken.has(name)) return false;
    taken.add(name);
    return true;
  });
}
