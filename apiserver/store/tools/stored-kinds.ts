/**
 * Stored kinds: whether everything that is stored is of a kind that is served: a built-in one, or one that a stored
 * definition describes, in a version that it has. What nobody serves cannot be seen or deleted by anyone.
 */
import type { KubeObject } from "../../../machinery/objects/wire.ts";
import { ResourceTable } from "../../resources/table.ts";

export interface StoredKinds {
  /** `group` is "" for the core's. */
  object(key: string, group: string, plural: string, object: Partial<KubeObject>): void;
  problems(): readonly string[];
}

interface Seen {
  readonly group: string;
  readonly plural: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly firstKey: string;
  count: number;
}

interface Definition {
  readonly spec?: {
    readonly group?: string;
    readonly names?: { readonly plural?: string; readonly kind?: string };
    readonly versions?: readonly { readonly name?: string }[];
  };
}

/** Whatever is written into objects, so many different things are remembered. */
const MOST_KINDS = 10_000;

export function createStoredKinds(): StoredKinds {
  const seen = new Map<string, Seen>();
  const definitions = new Map<string, Definition["spec"]>();

  return {
    object(key, group, plural, object) {
      const { apiVersion = "", kind = "" } = object;
      if (group === "apiextensions.k8s.io" && plural === "customresourcedefinitions") {
        const { spec } = object as Definition;
        definitions.set(`${spec?.group}/${spec?.names?.plural}`, spec);
      }
      const name = `${group}/${plural} ${apiVersion} ${kind}`;
      const known = seen.get(name);
      if (known) known.count++;
      else if (seen.size < MOST_KINDS) seen.set(name, { group, plural, apiVersion, kind, firstKey: key, count: 1 });
    },
    problems() {
      const table = new ResourceTable();
      return [...seen.values()].flatMap((one) => {
        const rows = table.rows.filter(({ group, plural }) => group === one.group && plural === one.plural);
        const spec = definitions.get(`${one.group}/${one.plural}`);
        const kinds = rows.length > 0 ? rows.map(({ kind }) => kind) : spec && [spec.names?.kind ?? ""];
        const why = whyNotServed(one, kinds, rows.length > 0 ? undefined : spec?.versions);
        if (why === undefined) return [];
        return `${one.firstKey}: ${why}${one.count > 1 ? ` (and ${one.count - 1} more like it)` : ""}`;
      });
    },
  };
}

function whyNotServed(
  { group, apiVersion, kind }: Seen,
  kinds: readonly string[] | undefined,
  versions: readonly { readonly name?: string }[] | undefined,
): string | undefined {
  if (!kinds) return "no definition describes its kind, so nobody can see it";
  if (!kinds.includes(kind)) return `its kind is ${JSON.stringify(kind)}, not ${kinds[0]}`;
  const at = apiVersion.lastIndexOf("/");
  if (apiVersion.slice(0, Math.max(at, 0)) !== group) return `its group is not that of ${JSON.stringify(apiVersion)}`;
  const version = apiVersion.slice(at + 1);
  if (versions && !versions.some(({ name }) => name === version))
    return `it is stored in version ${version}, which its definition no longer has`;
  return undefined;
}
