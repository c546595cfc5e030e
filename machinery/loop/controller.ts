/**
 * Controller: the shape of every control loop.
 *
 * A controller is a function from a key to an outcome: done, again after a while, or an error.
 * Only the loop retries (with back-off per key); one key is never reconciled twice at a time.
 * The cache may lag; reread from the server before what cannot be undone.
 */
import type { Client } from "../client/client.ts";
import type { Change, Lister, ObjectKey } from "../client/informer.ts";
import type { Kinds, ResourceName } from "../objects/kinds.ts";
import type { StoredObject } from "../objects/wire.ts";
import type { Clock } from "../process/clock.ts";
import type { Logger } from "../process/logging.ts";

export interface Outcome {
  /** Milliseconds until the key comes again; absent: only when something changes. */
  readonly after?: number;
}

export const done: Outcome = {};
export const again = (ms: number): Outcome => ({ after: ms });

/**
 * Which keys a change of a watched object puts into the queue. It may also note what it saw
 * (expectations.ts), and must otherwise have no effect: it runs for every change, before `reconcile`.
 */
export type Enqueue<T> = (
  change: Change<T>,
  listers: Readonly<Record<string, Lister<StoredObject>>>,
) => readonly ObjectKey[];

/** What an Event is about: any stored object. */
export type Subject = Pick<StoredObject, "apiVersion" | "kind" | "metadata">;

/** Writes an Event about an object; repeats are counted, the number waiting is limited. Never throws. */
export interface EventRecorder {
  /** `fieldPath` names a part of the object: "spec.containers{web}". */
  normal(about: Subject, reason: string, message: string, fieldPath?: string): void;
  warning(about: Subject, reason: string, message: string, fieldPath?: string): void;
}

/** The usual Enqueue: the changed object's own key. */
export const enqueueSelf = ({ key }: { readonly key: ObjectKey }): readonly ObjectKey[] => [key];

export type Watches = { readonly [K in ResourceName]?: Enqueue<Kinds[K]> };

/** Read access to the local copies of what the controller watches. */
export type Listers<W extends Watches> = { readonly [K in keyof W & ResourceName]: Lister<Kinds[K]> };

export interface Services {
  /** Sends with each write which revision and which controller caused it. */
  readonly client: Client;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly log: Logger;
  /** Aborted when the controller must stop writing: shutdown, or leadership lost. */
  readonly signal: AbortSignal;
}

/** Calls `tick` now and then, until the function that it returns is called. */
export type Ticks = (tick: () => void) => () => void;

export interface ControllerDefinition<W extends Watches> {
  /** Kubernetes' own name: "deployment-controller". It names the identity, the events' source and the queue. */
  readonly name: string;
  readonly watches: W;
  /** Keys that a tick brings, beside those that changes bring: for what a wall clock that jumped would miss. */
  readonly onTick?: { readonly ticks: Ticks; readonly keys: () => readonly ObjectKey[] };
  /** Keys reconciled at a time; 1 unless given. */
  readonly workers?: number;
  /** A key whose reconcile takes long rests before the next one: for objects that many others change. */
  readonly paced?: boolean;
  reconcile(key: ObjectKey, context: Listers<W> & Services): Promise<Outcome>;
}

/** A controller with its types settled, as the loop runs it (run.ts). */
export type Controller = ControllerDefinition<Watches>;

/** A controller that remembers something (expectations) is made by a function, so that each start has its own. */
export function defineController<const W extends Watches>(definition: ControllerDefinition<W>): Controller {
  return definition as unknown as Controller;
}
