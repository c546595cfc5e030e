/**
 * Resource contract: what a row of the table of resources says, and what a kind may add.
 *
 * The generic code (apiserver/request) knows no kind by name: behaviour of a kind stands in its
 * strategy, one file per kind beside this one. Strategies are pure: no I/O, no clock of their own.
 */
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { ResourceCache } from "../cache/contract.ts";
import type { Decoded } from "../schema/contract.ts";
import type { Dialect } from "../schema/openapi-schemas.ts";
import type { FieldErrors } from "./field-errors.ts";

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

/** A column of the Table representation. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean" | "date" | "number";
  readonly format?: string;
  readonly description: string;
  /** 0 is always shown, 1 only with -o wide. */
  readonly priority: number;
}

export interface Columns {
  readonly columns: readonly Column[];
  /** Cells of one object, in the columns' order. `now` in ms, for ages. */
  cells(object: StoredObject, now: number): readonly unknown[];
}

/** Which parts of an object hold its scale, for the scale subresource. */
export interface ScaleFields {
  readonly specReplicas: string;
  readonly statusReplicas: string;
  /** Where the selector stands, as a string or as a LabelSelector. */
  readonly selector: string;
}

export interface CreateContext {
  readonly user: string;
  /** The same user with all that is known about it. */
  readonly identity: Identity;
  readonly now: number;
}

export interface Identity {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What is particular to a kind. Every part is optional; `object` may be changed in place, `old` never. */
export interface Strategy<T extends KubeObject = KubeObject> {
  /** Defaults that Kubernetes computes in code. Idempotent; runs after decoding and before admission's validation. */
  readonly defaults?: (object: T) => void;
  /** Clears what a creator may not set (status), sets what only the server knows. Metadata is complete by then. */
  readonly prepareForCreate?: (object: T, context: CreateContext) => void;
  /** Keeps what an update may not change. Generation is counted by the generic code. */
  readonly prepareForUpdate?: (object: T, old: T) => void;
  /** As prepareForUpdate, of the status subresource: everything but metadata and status is the old one's by then. */
  readonly prepareForStatusUpdate?: (object: T, old: T, now: number) => void;
  readonly validate?: (object: T, errors: FieldErrors) => void;
  /** In addition to `validate`, of new objects only: where an update forgives what was wrong before. */
  readonly validateCreate?: (object: T, errors: FieldErrors) => void;
  /** In addition to `validate`. */
  readonly validateUpdate?: (object: T, old: T, errors: FieldErrors) => void;
  readonly validateStatusUpdate?: (object: T, old: T, errors: FieldErrors) => void;
  /** Parts of an object that are updated through subresources of their own, by the subresource's name. */
  readonly parts?: Readonly<Record<string, Part<T>>>;
  /** Deprecated or dubious fields, sent as Warning headers. `old` is there for updates. */
  readonly warnings?: (object: T, old?: T) => readonly string[];
  /**
   * Fields usable in field selectors besides metadata.name and metadata.namespace. Always the same keys,
   * even of an object without spec and status: they say what a kind can be selected by.
   */
  readonly selectableFields?: (object: T) => Readonly<Record<string, string>>;
  /** Delete with a grace period: seconds to wait before the object goes, 0 for at once. */
  readonly gracePeriodSeconds?: (object: T, asked: number | undefined) => number;
  /** A finalizer that the first delete gives the object: a CustomResourceDefinition's instances go before it does. */
  readonly deletionFinalizer?: string;
  /** What else changes when an object that something holds gets its deletionTimestamp: a Namespace's phase. */
  readonly markDeleted?: (object: T) => void;
  /** True while something besides metadata.finalizers keeps a deleted object: a Namespace's spec.finalizers. */
  readonly holds?: (object: T) => boolean;
  /** True for an update that need not be on disk before it is answered: a Lease's renewal. */
  readonly deferrable?: (object: T, old: T) => boolean;
  /** Whether an object may be created by PUT or an update may leave resourceVersion out. */
  readonly allowCreateOnUpdate?: boolean;
  readonly allowUnconditionalUpdate?: boolean;
  /** True where spec changes do not count a generation. */
  readonly noGeneration?: boolean;
}

/** A part of an object with a subresource of its own: `validate` holds for the whole object too. */
export interface Part<T extends KubeObject = KubeObject> {
  /** The part stands in the status, which is the old one's otherwise. */
  readonly inStatus?: boolean;
  /** Keeps everything but the part. */
  readonly prepareForUpdate: (object: T, old: T, now: number) => void;
  readonly validateUpdate: (object: T, old: T, errors: FieldErrors) => void;
}

export interface ResourceRow {
  /** "" for core. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly Verb[];
  readonly hasStatus: boolean;
  readonly scale?: ScaleFields;
  /** Subresources with code of their own: "binding", "eviction", "log", "exec", "token" … and the kind each takes. */
  readonly subresources: readonly SubresourceRow[];
  readonly columns: Columns;
  readonly strategy: Strategy;
  /** Only created, answered and forgotten: TokenReview, SubjectAccessReview … */
  readonly virtual?: boolean;
  /** Measured when somebody asks, and stored nowhere: metrics.k8s.io. */
  readonly measured?: boolean;
  /** True where no component of k8ts acts on it yet: stored and served only (README lists these). */
  readonly storedOnly?: boolean;
  /** Where the kind is another representation of objects that are stored as another kind. */
  readonly storedAs?: StoredAs;
  /** Set for kinds that a CustomResourceDefinition defines. */
  readonly custom?: CustomKind;
  /** Replaces the core v1 plural or the like in the store's key; default "group/plural". */
  readonly storagePrefix?: string;
}

/** What a custom kind has where a built-in one has compiled types. Made by apiserver/custom, for one version. */
export interface CustomKind {
  /**
   * Gives what a client sent the kind's shape, in place: metadata is decoded, unknown fields are taken out and
   * named, defaults filled in. Throws a DecodeError.
   */
  decode(value: Record<string, unknown>): Decoded<KubeObject>;
  /** An object of another version as this version has it; leaves its argument as it is. */
  convert(object: KubeObject): Promise<KubeObject>;
  /** Reads and writes of this version, over the objects as they are stored. */
  view(stored: ResourceCache): ResourceCache;
  /** The definition's name, and the version that objects are stored in. */
  readonly definition: string;
  readonly storageVersion: string;
  /** Sent as a Warning header with every answer of a deprecated version. */
  readonly warning: string | undefined;
  /** While the definition is being deleted: nothing new may be made. */
  readonly terminating: boolean;
  /** The kind's name in OpenAPI, and its schema as published there. */
  readonly openApiName: string;
  openApi(dialect: Dialect): Record<string, unknown>;
}

/** Two kinds, one object: core and events.k8s.io Events. The store and its cache know only the other one. */
export interface StoredAs {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  /** Both leave their argument as it is and share with it what they do not change. */
  toStored(object: KubeObject): KubeObject;
  fromStored(object: StoredObject): StoredObject;
}

export interface SubresourceRow {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly Verb[];
}
