/**
 * Schema contract: what the generic code knows about the shape of API objects.
 *
 * One source, built-in models and CustomResourceDefinitions alike; decoding, merging, apply, OpenAPI and
 * protobuf all read it. How it is derived: load.ts; of custom kinds: ../custom/messages.ts.
 * Descriptions are not part of it: they are large, and only OpenAPI needs them (`Schema.descriptions`).
 */

/** What a field holds. Messages are named as in OpenAPI: "io.k8s.api.core.v1.PodSpec". */
export type FieldType =
  | { readonly kind: "string" | "boolean" | "double" | "int32" | "int64" }
  /** base64 on the wire. */
  | { readonly kind: "bytes" }
  | { readonly kind: "quantity" | "intOrString" | "time" | "microTime" | "duration" }
  /** Any JSON, with the OpenAPI name of its type: RawExtension, FieldsV1, JSON. */
  | { readonly kind: "raw"; readonly name: string }
  /** Any JSON, whose structure is taken from the value: what a custom kind keeps without a schema. */
  | { readonly kind: "deduced" }
  | { readonly kind: "message"; readonly name: string }
  | { readonly kind: "list"; readonly of: FieldType }
  | { readonly kind: "map"; readonly of: FieldType };

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly required: boolean;
  readonly listType?: "atomic" | "map" | "set";
  readonly listMapKeys?: readonly string[];
  readonly mapType?: "atomic" | "granular";
  readonly structType?: "atomic" | "granular";
  readonly patchStrategy?: readonly ("merge" | "replace" | "retainKeys")[];
  readonly patchMergeKey?: string;
  /** The values allowed; of a list, of its items. */
  readonly enum?: readonly string[];
  /** "RestartPolicy": the name that Kubernetes gives these values in errors. */
  readonly enumName?: string;
  /** The default that the published type marks; defaults computed in code stand in apiserver/resources. */
  readonly default?: unknown;
  /** Null is a value of it. Of built-in types null means absent. */
  readonly nullable?: boolean;
}

export interface Message {
  /** "io.k8s.api.core.v1.Pod" */
  readonly name: string;
  /** Embedded structs are already spread out: Volume has `emptyDir`, not `volumeSource`. */
  readonly fields: ReadonlyMap<string, Field>;
  /** Server-side apply treats it as one value. */
  readonly atomic: boolean;
  /** Fields that are not listed are kept, as "deduced". */
  readonly preserveUnknown?: boolean;
}

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface Schema {
  /** Undefined for names that the release does not have. */
  message(name: string): Message | undefined;
  /** The message of a kind: ("apps", "v1", "Deployment"). Options, Status and WatchEvent belong to every group. */
  kind(group: string, version: string, kind: string): Message | undefined;
  messages(): Iterable<Message>;
  /** The kind that a message is; undefined for parts of objects and for the kinds of every group. */
  kindOf(message: string): GroupVersionKind | undefined;
  /**
   * A custom kind and the messages it consists of, the kind's own first; made on first use. `messages()` leaves
   * them out. The returned function takes them away again.
   */
  add(kind: GroupVersionKind, name: string, messages: () => readonly Message[]): () => void;
  /** Read anew at each call and not kept: some 1.5 MB. */
  descriptions(): Promise<Descriptions>;
}

/** The published texts. "" where there is none. */
export interface Descriptions {
  message(name: string): string;
  /** Falls back to the text of the message that the field holds. */
  field(message: string, field: Field): string;
}

/** What decoding found besides the value: fields that the type does not have. */
export interface Decoded<T> {
  readonly value: T;
  /** "spec.template.spec.contaners", as Kubernetes writes paths in strict decoding errors. */
  readonly unknown: readonly string[];
}
