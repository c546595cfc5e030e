/**
 * Roots: whole objects for ownership: what of them nobody can own, and what an endpoint leaves as it is.
 *
 * apiVersion, kind, and the server's own part of metadata belong to nobody.
 */
import type { Fields } from "./contract.ts";
import type { FieldSets } from "./field-sets.ts";
import { LEAF } from "./intern.ts";
import type { Shapes } from "./shapes/of-schema.ts";
import type { Comparison, JsonObject } from "./shapes/shape.ts";
import type { Struct } from "./shapes/struct.ts";

const SERVERS = [
  "name",
  "namespace",
  "creationTimestamp",
  "selfLink",
  "uid",
  "clusterName",
  "generation",
  "managedFields",
  "resourceVersion",
] as const;

const SERVERS_OF_METADATA: ReadonlySet<string> = new Set(SERVERS);

const METADATA = "f:metadata";

const UNOWNED: Fields = {
  "f:apiVersion": LEAF,
  "f:kind": LEAF,
  [METADATA]: { ".": LEAF, ...Object.fromEntries(SERVERS.map((name) => [`f:${name}`, LEAF])) },
};

const TOP = ["apiVersion", "kind", "metadata"];

export class Roots {
  readonly #sets: FieldSets;
  readonly #shapes: Shapes;
  /** By the set of ignored fields: those and the ones looked at elsewhere. */
  readonly #blind = new WeakMap<ReadonlySet<string>, ReadonlySet<string>>();

  constructor(sets: FieldSets, shapes: Shapes) {
    this.#sets = sets;
    this.#shapes = shapes;
  }

  /** What two objects differ in, as far as it can be owned. Undefined `before`: there was none. */
  compare(
    shape: Struct,
    before: Readonly<JsonObject> | undefined,
    after: Readonly<JsonObject>,
    ignored: ReadonlySet<string>,
  ): Comparison | undefined {
    const body = shape.compareBut(before ?? NOTHING, after, this.#blindFor(ignored));
    const [old, now] = [before?.["metadata"] ?? NOTHING, after["metadata"] ?? NOTHING];
    if (ignored.has("metadata")) return body;
    const metadata = this.#shapes.metadata().compareBut(old, now, SERVERS_OF_METADATA);
    if (!metadata) return body;
    return {
      changed: this.#joined(body?.changed, metadata.changed),
      removed: this.#joined(body?.removed, metadata.removed),
    };
  }

  #joined(body: Fields | undefined, metadata: Fields | undefined): Fields | undefined {
    if (!metadata) return body;
    const own = this.#sets.start(false).with(METADATA, metadata).end();
    return this.#sets.union(own, body);
  }

  #blindFor(ignored: ReadonlySet<string>): ReadonlySet<string> {
    const known = this.#blind.get(ignored);
    if (known) return known;
    const blind = new Set([...TOP, ...ignored]);
    this.#blind.set(ignored, blind);
    return blind;
  }

  /** What a configuration owns. */
  applied(shape: Struct, config: unknown, ignored: ReadonlySet<string>): Fields | undefined {
    const owned = shape.applied(config);
    const ownable = owned && this.#sets.difference(owned, UNOWNED);
    return ownable && this.#sets.pruned(ownable, rootOf(ignored));
  }
}

const NOTHING: Readonly<JsonObject> = Object.freeze({});

/** A root that is never in its own set, which `{}` elsewhere would say. */
const rootOf = (names: ReadonlySet<string>): Fields | undefined =>
  names.size === 0 ? undefined : Object.fromEntries([...names].map((name) => [`f:${name}`, LEAF]));
