/** Pod: why it is not scheduled, not ready, failed or still there. */
import { age } from "../../machinery/objects/duration.ts";
import type { CoreEvent, Node, Pod } from "../../machinery/objects/kinds.ts";
import { whyClaim } from "./claim.ts";
import { containerTroubles } from "./containers.ts";
import { type Explainer, type Explanation, explanation, lastEvent, oneLine, type WhyContext } from "./explanation.ts";
import { placement, unscheduled } from "./scheduling.ts";

export const whyPod: Explainer = async ({ object }, context) => {
  const pod = object as unknown as Pod;
  const subject = `pod/${pod.metadata.name}`;
  const { phase = "Pending", reason, message } = pod.status ?? {};
  const events = await context.events(object);
  if (phase === "Succeeded") return explanation(subject, "has ended well", { well: true });
  if (phase === "Failed") return failed(subject, pod, events, context.now);
  if (!pod.spec?.nodeName) {
    const { says, ...told } = unscheduled(pod, await schedulingOf(pod, context), context.now);
    const waiting = await pendingClaims(pod, context);
    return explanation(subject, says, { ...told, below: waiting });
  }
  const ready = conditionOf(pod, "Ready");
  if (ready?.status === "True") {
    const because = placement(await schedulingOf(pod, context));
    return explanation(subject, `is ready since ${age(ready.lastTransitionTime, context.now)}`, {
      well: true,
      because,
    });
  }
  return unready(subject, pod, events, context, [reason && `${reason}: ${oneLine(message)}`]);
};

/** A claim that has no volume keeps its Pod from every node. */
async function pendingClaims({ spec, metadata }: Pod, context: WhyContext): Promise<readonly Explanation[]> {
  const names = (spec?.volumes ?? []).flatMap(({ persistentVolumeClaim: claim }) => claim?.claimName ?? []);
  const found: Explanation[] = [];
  for (const name of new Set(names)) {
    const claim = await context.get("persistentvolumeclaims", metadata.namespace, name);
    if (claim) found.push(await whyClaim(await context.find("persistentvolumeclaims", claim), context));
  }
  return found.filter(({ well }) => !well);
}

const schedulingOf = ({ metadata }: Pod, context: WhyContext) =>
  context.scheduling(metadata.namespace ?? "", metadata.name);

const conditionOf = ({ status }: Pod, type: string) => status?.conditions?.find((one) => one.type === type);

function failed(subject: string, pod: Pod, events: readonly CoreEvent[], now: number): Explanation {
  const { reason, message } = pod.status ?? {};
  const disrupted = conditionOf(pod, "DisruptionTarget");
  const troubles = containerTroubles(pod, events, now);
  const [first] = troubles;
  const says = reason ? `has failed: ${reason}` : `has failed${first ? `: ${first.says}` : ""}`;
  const because = [
    oneLine(message) || undefined,
    disrupted?.status === "True" ? `${disrupted.reason}: ${oneLine(disrupted.message)}` : undefined,
    ...(reason ? troubles.map((one) => one.says) : []),
    ...troubles.flatMap((one) => one.because),
  ];
  return explanation(subject, says, { because, helps: troubles.flatMap((one) => one.helps) });
}

async function unready(
  subject: string,
  pod: Pod,
  events: readonly CoreEvent[],
  context: WhyContext,
  first: readonly (string | undefined)[],
): Promise<Explanation> {
  const node = await context.get<Node>("nodes", undefined, pod.spec?.nodeName ?? "");
  const lost = nodeTrouble(pod, node, context.now);
  if (lost) return explanation(subject, `is not ready: ${lost}`, { because: first });
  const troubles = containerTroubles(pod, events, context.now);
  const gates = (pod.spec?.readinessGates ?? [])
    .filter(({ conditionType }) => conditionOf(pod, conditionType)?.status !== "True")
    .map(({ conditionType }) => conditionType);
  const [one, ...more] = troubles;
  if (!one && gates.length > 0) {
    const helps = ["whoever the condition belongs to sets it in the Pod's status"];
    return explanation(subject, `is not ready: its readiness gates are not true: ${gates.join(", ")}`, { helps });
  }
  const started = (pod.status?.containerStatuses ?? []).length > 0;
  const says = one
    ? one.says
    : started
      ? "its containers are about to be ready"
      : `${pod.spec?.nodeName} has not taken it up yet`;
  const stuck = lastEvent(events, "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedBinding");
  return explanation(subject, `is not ready: ${says}`, {
    because: [...first, ...(one?.because ?? [stuck]), ...more.flatMap((other) => [other.says, ...other.because])],
    helps: [...new Set(troubles.flatMap((other) => other.helps))],
  });
}

function nodeTrouble({ spec }: Pod, node: Node | undefined, now: number): string | undefined {
  if (!node) return `its node ${spec?.nodeName} is gone`;
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status === "True" || !ready) return undefined;
  return `its node ${node.metadata.name} is not ready since ${age(ready.lastTransitionTime, now)} (${ready.reason}: ${oneLine(ready.message)})`;
}
