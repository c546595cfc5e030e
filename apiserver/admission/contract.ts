/**
 * Admission contract: plugins that see a write after authorization and before it is stored.
 *
 * Mutating plugins run first, in order, on an object that is theirs to change; then defaults and
 * validation; then validating plugins, which must not change anything. One file per plugin beside
 * this one; their order is in chain.ts. A plugin refuses by throwing an ApiError.
 */
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { CachedObjects, User } from "../auth/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { GroupVersionKind } from "../schema/contract.ts";
import type { Condition, Operation } from "../store/contract.ts";

export type AdmissionOperation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";

export interface AdmissionRequest {
  readonly operation: AdmissionOperation;
  readonly row: ResourceRow;
  /** Of the object that is sent, where it is not the row's: Scale, Eviction, PodExecOptions. */
  readonly kind?: GroupVersionKind | undefined;
  /** "" for the object itself. */
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** The new object, of CONNECT the options; for DELETE absent. May be changed by mutating plugins only. */
  readonly object?: KubeObject;
  /** What is stored now: of UPDATE and DELETE. Frozen. */
  readonly old?: StoredObject;
  readonly user: User;
  readonly dryRun: boolean;
  readonly warnings: string[];
  /**
   * Puts an annotation on the audit event of this request, where there is one. `withBody`: only where the event shows
   * bodies too.
   */
  readonly annotate?: ((key: string, value: string, withBody?: boolean) => void) | undefined;
  /** Aborted when the client is gone. */
  readonly signal?: AbortSignal | undefined;
  /** CreateOptions, DeleteOptions …, as an object; worked out when somebody asks. */
  readonly options?: (() => Readonly<Record<string, unknown>> | undefined) | undefined;
}

export interface AdmissionServices {
  readonly clock: Clock;
  readonly objects: CachedObjects;
  /** Reads that must not lag: an object that the cache lacks may have been made a moment ago. */
  read(resource: string, namespace: string, name: string): Promise<StoredObject | undefined>;
  /**
   * Swaps another object for what `change` makes of it, again on each newer version. Undefined when it is gone.
   * Only for what a write of another object must have counted before it happens: a quota's use.
   */
  change(resource: string, namespace: string, name: string, change: Swap): Promise<StoredObject | undefined>;
  /**
   * The shape of its kind for what somebody made of an object: fields that the kind does not have are dropped, defaults
   * filled in. Takes the value over. Throws an ApiError.
   */
  decode(kind: GroupVersionKind | ResourceRow, value: unknown): KubeObject;
}

/**
 * The new object, or "same". `fresh` is false on a version from the cache: whoever would refuse because of it answers
 * "reread" and is asked again with what the store has.
 */
export type Swap = (current: StoredObject, fresh: boolean) => KubeObject | "same" | "reread";

/**
 * The rounds of mutating plugins: when a policy or webhook changes an object, all plugins see it once more, for
 * what was added may be theirs to complete. There is no third round.
 */
export interface Rounds {
  /** True in the second round. */
  readonly again: boolean;
  /** Asks for the second one. */
  ask(): void;
  /** What a plugin keeps from the first round for the second. */
  state<T>(plugin: string, make: () => T): T;
}

export interface AdmissionPlugin {
  readonly name: string;
  mutate?(request: AdmissionRequest, services: AdmissionServices, rounds: Rounds): Promise<void> | void;
  validate?(request: AdmissionRequest, services: AdmissionServices): Promise<void> | void;
}

/** The chain of plugins as the pipeline calls it. */
export interface Admission {
  mutate(request: AdmissionRequest): Promise<void>;
  validate(request: AdmissionRequest): Promise<void>;
}

/** Keys that are no API objects and change in the same transaction as the object. */
export interface Allocation {
  readonly conditions: readonly Condition[];
  readonly operations: readonly Operation[];
  /** Takes back what was set on the object, so that something else can be chosen. */
  undo(): void;
}

/**
 * What a write takes and gives back: `old` absent on create, `object` absent on delete. It may set fields of
 * `object` (the address it found). Called again when the transaction failed.
 */
export type Allocate = (
  row: ResourceRow,
  object: KubeObject | undefined,
  old: StoredObject | undefined,
) => Promise<Allocation | undefined> | Allocation | undefined;
