/**
 * Explanation: what is said of one object, and of those that its state comes from. What everything in why/ makes.
 *
 * `because` are facts that the server or a node has told; `helps` is what somebody could do. Nothing is guessed.
 */
import type { CoreEvent } from "../../machinery/objects/kinds.ts";
import type { SchedulingExplanation } from "../../machinery/objects/scheduling.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { FoundObject, Narrowing } from "../selection.ts";

export interface Explanation {
  /** "pod/web" */
  readonly subject: string;
  /** Nothing is wrong with it. */
  readonly well: boolean;
  /** "is Pending: no node fits" */
  readonly says: string;
  readonly because: readonly string[];
  readonly helps: readonly string[];
  readonly below: readonly Explanation[];
}

export interface Told {
  readonly well?: boolean;
  readonly because?: readonly (string | undefined)[];
  readonly helps?: readonly string[];
  readonly below?: readonly Explanation[];
}

/** What explanations are made from. Looking up what may not be read finds nothing. */
export interface WhyContext {
  readonly now: number;
  get<T = KubeObject>(resource: string, namespace: string | undefined, name: string): Promise<T | undefined>;
  list<T = KubeObject>(resource: string, namespace: string | undefined, narrowing?: Narrowing): Promise<readonly T[]>;
  /** Of the object, the latest last. */
  events(object: KubeObject): Promise<readonly CoreEvent[]>;
  /** Everything that the object owns. */
  owned(found: FoundObject): Promise<readonly FoundObject[]>;
  scheduling(namespace: string, pod: string): Promise<SchedulingExplanation | undefined>;
  find(resource: string, object: KubeObject): Promise<FoundObject>;
}

export type Explainer = (found: FoundObject, context: WhyContext) => Promise<Explanation>;

export function explanation(subject: string, says: string, told: Told = {}): Explanation {
  const { well = false, because = [], helps = [], below = [] } = told;
  return { subject, says, well, because: because.filter((one) => one !== undefined), helps, below };
}

/** The newest event of these reasons, as one line. */
export function lastEvent(events: readonly CoreEvent[], ...reasons: readonly string[]): string | undefined {
  const found = events.findLast(({ reason = "" }) => reasons.includes(reason));
  return (
    found && `${found.reason}: ${oneLine(found.message)}${(found.count ?? 0) > 1 ? ` (${found.count} times)` : ""}`
  );
}

export const oneLine = (text = ""): string => text.trim().replaceAll(/\s*\n\s*/g, " ");
