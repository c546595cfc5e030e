/**
 * Create field management: `track` for writes that bring an object, `apply` for those that bring a configuration.
 */
import { cloneJson, equalJson } from "../../machinery/objects/json-value.ts";
import { badRequest } from "../../machinery/objects/status.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { GroupVersionKind, Schema } from "../schema/contract.ts";
import { atomicPlaces } from "./atomics.ts";
import { applyConflict, type Conflict } from "./conflicts.ts";
import {
  type ApplyRequest,
  type FieldManagement,
  type ManagedFieldsEntry,
  MergeError,
  type Writer,
} from "./contract.ts";
import { FieldSets, MalformedFields, setOf } from "./field-sets.ts";
import { LEAF } from "./intern.ts";
import { KUBECTL, lastAppliedFields, updateLastApplied } from "./last-applied.ts";
import { type Owner, owner, ownersOf, sameOwner, settled, withFields } from "./owners.ts";
import { prune } from "./prune.ts";
import { Roots } from "./roots.ts";
import { isBuiltIn } from "./shapes/embedded.ts";
import { Shapes } from "./shapes/of-schema.ts";
import { type Comparison, isObject, type JsonObject } from "./shapes/shape.ts";
import type { Struct } from "./shapes/struct.ts";

/** Owns what there was when an object without managedFields is applied to. */
const BEFORE_FIRST_APPLY = "before-first-apply";

export function createFieldManagement(schema: Schema): FieldManagement {
  return new Management(schema);
}

class Management implements FieldManagement {
  readonly #schema: Schema;
  readonly #sets = new FieldSets();
  readonly #shapes: Shapes;
  readonly #roots: Roots;

  constructor(schema: Schema) {
    this.#schema = schema;
    this.#shapes = new Shapes(schema, this.#sets);
    this.#roots = new Roots(this.#sets, this.#shapes);
  }

  track(kind: GroupVersionKind, live: StoredObject | undefined, object: KubeObject, writer: Writer): void {
    const sent: unknown = object.metadata.managedFields;
    delete object.metadata.managedFields;
    const shape = this.#shapes.kind(kind.group, kind.version, kind.kind);
    if (!shape) return;
    const owners = this.#before(live, sent, writer);
    // Whose fields were never tracked, or are not any more, is left alone until somebody applies.
    if (live && owners.length === 0) return;
    const differ = this.#roots.compare(shape, live, object, writer.ignored);
    setOwners(object, differ ? this.#taken(kind, owners, differ, writer) : owners, live);
  }

  /** The entries from which a write starts: the client's where they are valid, else those of the live object. */
  #before(live: StoredObject | undefined, sent: unknown, writer: Writer): readonly Owner[] {
    const kept: unknown = live?.metadata.managedFields;
    if (writer.subresource === "" && Array.isArray(sent) && !equalJson(sent, kept)) {
      if (isReset(sent)) return [];
      const owners = this.#read(sent);
      if (owners.length > 0) return owners;
    }
    return this.#read(kept);
  }

  #read(entries: unknown): Owner[] {
    try {
      return ownersOf(this.#sets, entries);
    } catch (error) {
      if (error instanceof MalformedFields) return [];
      throw error;
    }
  }

  /** The writer owns what it changed, and nobody else does; nobody owns what is gone. */
  #taken(kind: GroupVersionKind, owners: readonly Owner[], differ: Comparison, writer: Writer): readonly Owner[] {
    const { changed } = differ;
    const own = owner("Update", writer.manager, apiVersionOf(kind), writer.subresource, writer.time, changed ?? LEAF);
    const result: Owner[] = [];
    let same = true;
    let mine = changed === undefined;
    for (const one of owners) {
      const left = withFields(one, this.#left(one, differ));
      if (!mine && sameOwner(one, own)) {
        result.push(withFields(own, this.#sets.union(setOf(left.fieldsV1), changed)));
        mine = true;
        same = false;
      } else {
        result.push(left);
        same &&= left === one;
      }
    }
    if (!mine) result.push(own);
    return same && mine ? owners : settled(this.#sets, result);
  }

  #left(one: Owner, { changed, removed }: Comparison) {
    const unchanged = this.#sets.difference(one.fieldsV1, changed);
    return unchanged && this.#sets.difference(unchanged, removed);
  }

  apply(request: ApplyRequest): KubeObject {
    const { kind, config, writer } = request;
    const shape = this.#shapes.kind(kind.group, kind.version, kind.kind);
    if (!shape) throw badRequest(`invalid object type: ${typeText(kind)}`);
    checkConfig(shape, kind, config);
    const live = request.live ?? { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: {} };
    const owners = this.#ownersToApply(shape, request);
    const attempt = (force: boolean, allowed?: Comparison["changed"]) =>
      this.#applied(shape, { ...request, force, live: live as StoredObject }, owners, allowed);
    // What client-side apply has set and nobody changed since is no one else's.
    const allowed =
      writer.manager === KUBECTL && !request.force && request.live
        ? lastAppliedFields(this.#sets, shape, request.live, apiVersionOf(kind))
        : undefined;
    const object = attempt(request.force, allowed);
    if (writer.manager === KUBECTL) updateLastApplied(object, config as JsonObject);
    return object as unknown as KubeObject;
  }

  merge(kind: GroupVersionKind, object: KubeObject, config: unknown): KubeObject {
    const message = this.#schema.kind(kind.group, kind.version, kind.kind);
    const shape = this.#shapes.kind(kind.group, kind.version, kind.kind);
    if (!message || !shape) throw new MergeError(`no type of ${typeText(kind)} is known`);
    const whole = { ...(config as JsonObject), apiVersion: apiVersionOf(kind), kind: kind.kind };
    const problems: string[] = [];
    shape.check(whole, "", problems);
    if (problems.length > 0) {
      const list = problems.length === 1 ? problems[0] : `errors:\n  ${problems.join("\n  ")}`;
      throw new MergeError(`failed to convert patch object to typed object: ${list}`);
    }
    const atomics = atomicPlaces(this.#schema, message, whole);
    if (atomics.length > 0) {
      const places = atomics.join(", ");
      throw new MergeError(`invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${places}`);
    }
    return cloneJson(shape.merge(object, whole)) as KubeObject;
  }

  #ownersToApply(shape: Struct, { kind, live, writer }: ApplyRequest): readonly Owner[] {
    if (!live) return [];
    const owners = this.#read(live.metadata.managedFields);
    if (owners.length === 0) {
      const all = this.#roots.compare(shape, undefined, live, writer.ignored)?.changed ?? LEAF;
      return [owner("Update", BEFORE_FIRST_APPLY, apiVersionOf(kind), writer.subresource, writer.time, all)];
    }
    const known = owners.filter(({ apiVersion }) => this.#served(apiVersion, kind.kind));
    const { name = "" } = this.#schema.kind(kind.group, kind.version, kind.kind) ?? {};
    if (isBuiltIn(name)) return known;
    return known.map((one) => withFields(one, shape.reconciled(one.fieldsV1, live)));
  }

  #served(apiVersion: string, kind: string): boolean {
    const [group, version] = apiVersion.includes("/") ? apiVersion.split("/", 2) : ["", apiVersion];
    return this.#schema.kind(group as string, version as string, kind) !== undefined;
  }

  #applied(
    shape: Struct,
    { kind, live, config, writer, force }: ApplyRequest & { live: StoredObject },
    owners: readonly Owner[],
    allowed: Comparison["changed"],
  ): JsonObject {
    const sets = this.#sets;
    const set = this.#roots.applied(shape, config, writer.ignored);
    const own = owner("Apply", writer.manager, apiVersionOf(kind), writer.subresource, writer.time, set ?? LEAF);
    const last = owners.find((one) => sameOwner(one, own));
    const others = owners.filter((one) => one !== last);
    const { managedFields: _, ...metadata } = live.metadata;
    const bare: JsonObject = { ...live, metadata };

    const everyones = [...others.map(({ fieldsV1 }) => fieldsV1), shape.applied(config) ?? LEAF];
    const merged = prune(sets, shape, shape.merge(bare, config), setOf(last?.fieldsV1 ?? LEAF), everyones);
    const differ = this.#roots.compare(shape, bare, merged as JsonObject, writer.ignored);
    const conflicts: Conflict[] = others.flatMap((one) => {
      const fields = sets.intersection(one.fieldsV1, differ?.changed);
      const disputed = fields && sets.difference(fields, allowed);
      return disputed ? [{ owner: one, fields: disputed }] : [];
    });
    if (conflicts.length > 0 && !force) throw applyConflict(conflicts);

    const left = differ ? others.map((one) => withFields(one, this.#left(one, differ))) : others;
    // An applier that applies the same again, and changes nothing, keeps its time.
    const unchanged = last && !differ && last.fieldsV1 === own.fieldsV1 && last.apiVersion === own.apiVersion;
    const object: JsonObject = { ...(merged as JsonObject) };
    object["metadata"] = { ...(object["metadata"] as JsonObject) };
    setOwners(object as unknown as KubeObject, settled(sets, [...left, unchanged ? last : own]), undefined);
    return object;
  }
}

/** An empty list, or one with one empty entry, asks for managedFields to be forgotten. */
function isReset(sent: readonly unknown[]): boolean {
  const [first] = sent;
  return sent.length === 0 || (sent.length === 1 && isObject(first) && Object.keys(first).length === 0);
}

/** What changed nothing stays the very list that the live object has. */
function setOwners({ metadata }: KubeObject, owners: readonly ManagedFieldsEntry[], live: StoredObject | undefined) {
  if (owners.length === 0) return;
  const kept = live?.metadata.managedFields as readonly unknown[] | undefined;
  const same = kept?.length === owners.length && owners.every((one, at) => one === kept[at]);
  metadata.managedFields = (same ? kept : owners) as never;
}

function checkConfig(shape: Struct, kind: GroupVersionKind, config: unknown): void {
  if (!isObject(config)) throw badRequest("error decoding YAML: the configuration must be an object");
  const { apiVersion = "", kind: kindName = "", metadata } = config;
  for (const [name, value] of Object.entries({ apiVersion, kind: kindName }))
    if (typeof value !== "string") throw badRequest(`error decoding YAML: ${name} must be a string`);
  const expected = apiVersionOf(kind);
  if (apiVersion !== expected)
    throw badRequest(
      `Incorrect version specified in apply patch. Specified patch version: ${apiVersion}, expected: ${expected}`,
    );
  if (kindName !== kind.kind) throw badRequest(`invalid object type: ${typeText({ ...kind, kind: String(kindName) })}`);
  if (isObject(metadata) && metadata["managedFields"] !== undefined && metadata["managedFields"] !== null)
    throw badRequest("metadata.managedFields must be nil");
  const problems: string[] = [];
  shape.check(config, "", problems);
  if (problems.length === 0) return;
  const named = (part: "namespace" | "name") => {
    const value = isObject(metadata) ? metadata[part] : undefined;
    return typeof value === "string" ? value : "";
  };
  const list = problems.length === 1 ? problems[0] : `errors:\n  ${problems.join("\n  ")}`;
  throw badRequest(
    `failed to create typed patch object (${named("namespace")}/${named("name")}; ${typeText(kind)}): ${list}`,
  );
}

const apiVersionOf = ({ group, version }: GroupVersionKind): string => (group === "" ? version : `${group}/${version}`);
const typeText = (kind: GroupVersionKind): string => `${apiVersionOf(kind)}, Kind=${kind.kind}`;
