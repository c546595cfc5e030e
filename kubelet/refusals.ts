/**
 * Refusals: what a node says of a Pod that it does not take. Types only.
 *
 * Such a Pod ends as Failed at once, with this reason; nothing of it is ever started. A Pod that runs already is
 * never refused.
 */
import type { Pod } from "../machinery/objects/kinds.ts";

export interface Refusal {
  readonly reason: string;
  /** Without the words that say that it was refused. */
  readonly message: string;
}

export type Refuses = (pod: Pod) => Refusal | undefined;
