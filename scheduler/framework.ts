/**
 * Framework: what a scheduling plugin is. The contract alone; who asks plugins is in decide.ts and attempt.ts.
 *
 * A plugin looks at the Pod and the cluster once (`preFilter`, `preScore`) and returns what judges one node
 * after the other; what it worked out for a Pod lives in that value alone. What it must remember beyond one
 * Pod (volumes it has promised) lives in the plugin, made anew at each start (`PluginFactory`).
 * All methods but those that return a promise decide at once, from the snapshot and the listers.
 * Reasons are Kubernetes' words: they end up in events. Every point may be left out.
 *
 *   preEnqueue ► (queueSort) ► preFilter ► filter ► postFilter, where no node fits
 *     ► preScore ► score, normalize ► reserve ► permit ► preBind ► bind ► postBind
 * https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/
 */
import type { Client } from "../machinery/client/client.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Cluster, Listers } from "./cluster.ts";
import type { Decision } from "./decide.ts";
import type { Happened, Happening } from "./happenings.ts";
import type { PodInfo } from "./pod-info.ts";
import type { NodeInfo } from "./snapshot.ts";

/** Why the Pod cannot run on a node, or anywhere. Make it once and share it: equal verdicts are counted by identity. */
export interface Refused {
  readonly reasons: readonly string[];
  /** No Pod that leaves the node can change it, so preemption need not look there. */
  readonly final: boolean;
}

export const refused = (...reasons: readonly string[]): Refused => ({ reasons, final: false });
export const refusedForGood = (...reasons: readonly string[]): Refused => ({ reasons, final: true });

export type NodeCheck = (node: NodeInfo) => Refused | undefined;

/** How one Pod is judged on nodes. */
export interface NodeFilter {
  readonly check: NodeCheck;
  /** The same of the node in this slot as it is, without a look at it; not while others come or go in thought. */
  readonly checkSlot?: (slot: number) => Refused | undefined;
  /** It goes by the node, and by what the Pod asks of it (verdict-memo.ts), alone: the verdict may be kept. */
  readonly local?: true;
  /** The Pod can only be on nodes of these names: no other is asked. */
  readonly only?: ReadonlySet<string>;
  /**
   * In thought, another Pod came to the node or left it (preemption, nominated Pods), and `node` shows it so
   * already. Needed where `check` goes by more than the node it is given. Both are undone in pairs.
   */
  add?(other: PodInfo, node: NodeInfo): void;
  remove?(other: PodInfo, node: NodeInfo): void;
}

/** How one Pod likes nodes: any number each, higher is better, unless `normalize` turns them round. */
export interface NodeScorer {
  score(node: NodeInfo): number;
  /** The same of the node in this slot, without a look at it. */
  readonly scoreSlot?: ((slot: number) => number) | undefined;
  /** As for filters. */
  readonly local?: true;
  /** Brings raw scores to 0..100, in place; absent where they are that already. */
  normalize?(scores: Float64Array): void;
}

/** What a plugin keeps for a Pod between the decision and its binding. */
export interface Reservation {
  /**
   * What must stand in the API before the binding; may wait. A refusal makes the Pod unschedulable until a hint
   * of the plugin comes; what is thrown is an error, after which the Pod comes again by itself.
   */
  preBind?(signal: AbortSignal): Promise<Refused | undefined>;
  /** Undoes the reservation: the Pod will not run there. Must not throw; `preBind` may have come to any point. */
  release(): void;
  /** The Pod is bound. */
  postBind?(): void;
}

/** Refused, or to be waited for until somebody allows or rejects it (`WaitingPods`), at most so long. */
export type Permit = Refused | { readonly waitMs: number };

/** What the attempt that failed may lead to. */
export interface PostFilterResult {
  /** The node on which room is made for the Pod; "" takes back an earlier nomination, undefined leaves it. */
  readonly nominated?: string;
  /** Added to the message of the failure. */
  readonly message?: string;
  /** What has to be written for it, beside the loop. Whatever it throws is logged. */
  carryOut?(cause: string, signal: AbortSignal): Promise<void>;
}

export interface FailedAttempt {
  readonly pod: PodInfo;
  readonly cluster: Cluster;
  readonly decision: Decision;
  /** The filters that concern this Pod, with the state of their preFilter. */
  readonly filters: readonly NamedFilter[];
}

export interface NamedFilter {
  readonly plugin: string;
  readonly filter: NodeFilter;
}

/** What may change a plugin's mind about a Pod that it refused: any such happening, or those that `helps`. */
export type Hint =
  | Happening
  | { readonly on: Happening; helps(pod: PodInfo, what: Happened, cluster: Cluster): boolean };

export interface Plugin {
  /** Kubernetes' name: "NodeResourcesFit". */
  readonly name: string;
  /** When a Pod that this plugin refused is worth another try. */
  readonly hints?: readonly Hint[];
  /** A Pod that is refused here does not come into the queue until it changes or a hint comes. */
  preEnqueue?(pod: Pod): Refused | undefined;
  /** Whether `a` is tried before `b`; one plugin of a profile says so. */
  queueSort?(a: Waiting, b: Waiting): boolean;
  /** Undefined: nothing in this Pod concerns it. A refusal holds for all nodes. */
  preFilter?(pod: PodInfo, cluster: Cluster): NodeFilter | Refused | undefined;
  /** The first that nominates a node ends it. */
  postFilter?(failed: FailedAttempt): PostFilterResult | undefined;
  /** `fitting` are the nodes to be scored, `slots` theirs where they are at hand. Undefined: all are alike. */
  preScore?(
    pod: PodInfo,
    cluster: Cluster,
    fitting: readonly NodeInfo[],
    slots?: readonly number[],
  ): NodeScorer | undefined;
  /** The Pod is to run on the node and counts there already. Undefined: nothing to keep. */
  reserve?(pod: PodInfo, node: NodeInfo, cluster: Cluster): Reservation | Refused | undefined;
  permit?(pod: PodInfo, node: NodeInfo): Permit | undefined;
  /** Binds the Pod, or leaves it to the next plugin (undefined, at once). What it throws says that it did not bind. */
  bind?(pod: PodInfo, node: string, cause: string): Promise<void> | undefined;
}

/** A Pod in the queue, for `queueSort`. */
export interface Waiting {
  readonly pod: Pod;
  /** Grows with each Pod that becomes active. */
  readonly order: number;
}

/** What plugins are made with, at each start of the scheduler. */
export interface Handle {
  /** As the scheduler; use `client.because({ revision: cause, controller })` where there is a cause. */
  readonly client: Client;
  readonly listers: Listers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly waiting: WaitingPods;
  readonly nominations: Nominations;
  /** The scheduler's events. */
  event(about: Pod, type: "Normal" | "Warning", reason: string, message: string, cause: string): void;
  /** Something that the API does not show has happened: Pods that wait for it are tried again. */
  happened(what: Happened): void;
}

/** Pods that a permit holds back, by uid. */
export interface WaitingPods {
  has(uid: string): boolean;
  all(): readonly PodInfo[];
  allow(uid: string, plugin: string): void;
  reject(uid: string, plugin: string, message: string): void;
}

/** Pods without a node for which room was made on one. */
export interface Nominations {
  /** Those for whom there is room on the node. */
  on(node: string): readonly PodInfo[];
  of(uid: string): string | undefined;
  remove(uid: string): void;
}

/** Makes a plugin for one start of the scheduler, with its arguments from the configuration. */
export type PluginFactory = (args: PluginArgs, handle: Handle) => Plugin;
export type PluginArgs = Readonly<Record<string, unknown>>;
