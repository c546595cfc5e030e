/** Conditions: which of an object's are not as they should be. Of those that nobody knows, "False" of a good word counts. Pure. */
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { oneLine } from "./explanation.ts";

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

/** True is bad. */
const BAD =
  /^(Failed|FailureTarget|ReplicaFailure|Degraded|Stalled|Terminating|Suspended|Dangling|NonStructuralSchema|.*(Pressure|Unavailable|Failure|Error|Remaining))$/;
/** False is bad. */
const GOOD =
  /^(Ready|Available|Progressing|Established|NamesAccepted|Healthy|Synced|Bound|Accepted|Approved|AbleToScale|ScalingActive|DisruptionAllowed|ResolvedRefs|Programmed)$/;

export function badConditions(object: KubeObject): readonly string[] {
  const status = object["status"] as { conditions?: readonly Condition[] } | undefined;
  return (status?.conditions ?? [])
    .filter(({ type, status: holds }) => (BAD.test(type) ? holds === "True" : GOOD.test(type) && holds !== "True"))
    .map(({ type, status: holds, reason, message }) => {
      const why = [reason, oneLine(message)].filter((one) => one).join(": ");
      return `${type} is ${holds}${why ? ` (${why})` : ""}`;
    });
}
