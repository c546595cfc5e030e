/**
 * Wire types: the static types of API objects as they travel in JSON.
 *
 * They are mapped from the published API models (types only, nothing is imported at run time):
 * dates are strings, and names that the models escape (`_continue`) get their own back.
 * What exists at run time is data: see apiserver/schema.
 */
import type * as models from "@kubernetes/client-node";

interface Escaped {
  _continue: "continue";
  _from: "from";
  _default: "default";
  _enum: "enum";
  _not: "not";
  _for: "for";
  _if: "if";
  _in: "in";
}

/** A model's fields as JSON carries them. */
export type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer E)[]
    ? Wire<E>[]
    : T extends object
      ? { [K in keyof T as K extends keyof Escaped ? Escaped[K] : K]: Wire<T[K]> }
      : T;

export type ObjectMeta = Wire<models.V1ObjectMeta>;
export type OwnerReference = Wire<models.V1OwnerReference>;
export type LabelSelector = Wire<models.V1LabelSelector>;
export type ListMeta = Wire<models.V1ListMeta>;

/** Metadata of an object that a server stored: what the server always sets is required. */
export interface StoredMeta extends ObjectMeta {
  name: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
}

/** Any API object, as generic code sees it. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** Any API object that came out of a server. */
export interface StoredObject extends KubeObject {
  metadata: StoredMeta;
}

/** A kind as it comes out of the server. */
export type Stored<T> = Omit<Wire<T>, "apiVersion" | "kind" | "metadata"> & {
  apiVersion: string;
  kind: string;
  metadata: StoredMeta;
};

/** A kind as a client sends it for creation: the server fills in the rest. */
export type Draft<T> = Omit<T, "metadata" | "apiVersion" | "kind"> & {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
};
