/**
 * Deletion: why an object whose deletion was asked for is still there: of any kind.
 *
 * It stays until its time to end is over and the last finalizer is removed. Who removes one is known for those of
 * Kubernetes; of others only whoever set them knows.
 */
import { age } from "../../machinery/objects/duration.ts";
import type { Namespace, Node, Pod } from "../../machinery/objects/kinds.ts";
import { qualified, typeName } from "../discovery.ts";
import type { FoundObject } from "../selection.ts";
import { type Explanation, explanation, lastEvent, oneLine, type WhyContext } from "./explanation.ts";

export async function whyTerminating(found: FoundObject, context: WhyContext): Promise<Explanation> {
  const { object, type, name } = found;
  const { deletionTimestamp, deletionGracePeriodSeconds: grace = 0, finalizers = [] } = object.metadata;
  const asked = Date.parse(deletionTimestamp ?? "") - grace * 1000;
  const since = age(new Date(asked).toISOString(), context.now);
  const subject = `${typeName(type)}/${name}`;
  const parts: Part[] = [];
  for (const finalizer of finalizers) parts.push(await ofFinalizer(finalizer, found, context));
  if (type.kind === "Pod" && type.group === "") parts.push(await ofPod(object as unknown as Pod, context));
  if (type.kind === "Namespace" && type.group === "") parts.push(ofNamespace(object as unknown as Namespace));
  const held = parts.filter(({ because }) => because.length > 0);
  return explanation(subject, `is still Terminating, ${since} after its deletion was asked for`, {
    because: held.length > 0 ? held.flatMap(({ because }) => because) : ["nothing holds it any more: it goes now"],
    helps: held.flatMap(({ helps = [] }) => helps),
    below: held.flatMap(({ below = [] }) => below),
  });
}

interface Part {
  readonly because: readonly string[];
  readonly helps?: readonly string[];
  readonly below?: readonly Explanation[];
}

type OfFinalizer = (found: FoundObject, context: WhyContext) => Promise<Part> | Part;

const SHOWN = 10;

const some = (names: readonly string[]) =>
  `${names.slice(0, SHOWN).join(", ")}${names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ""}`;

async function ofFinalizer(name: string, found: FoundObject, context: WhyContext): Promise<Part> {
  const known = Object.hasOwn(FINALIZERS, name) ? FINALIZERS[name] : undefined;
  if (known) return known(found, context);
  const { type, namespace, name: object } = found;
  const place = namespace ? ` -n ${namespace}` : "";
  const patch = `kubectl patch ${typeName(type)}/${object}${place} --type=merge -p '{"metadata":{"finalizers":null}}'`;
  return {
    because: [`the finalizer ${name} is set: whoever set it removes it when its own work is done`],
    helps: [`see that the controller of ${name} runs; ${patch} gives up what it was to clean up`],
  };
}

const FINALIZERS: Readonly<Record<string, OfFinalizer>> = {
  foregroundDeletion: async (found, context) => {
    const owned = await context.owned(found);
    const blocking = owned.filter(({ object }) =>
      object.metadata.ownerReferences?.some(
        ({ uid, blockOwnerDeletion }) => blockOwnerDeletion && uid === found.object.metadata.uid,
      ),
    );
    const names = blocking.map((one) => `${typeName(one.type)}/${one.name}`);
    const going = blocking.filter(({ object }) => object.metadata.deletionTimestamp).slice(0, 3);
    return {
      because: [
        names.length > 0
          ? `foregroundDeletion: it goes after what it owns: ${some(names)}`
          : "foregroundDeletion: what it owned is gone; the garbage collector has to see it",
      ],
      below: (await Promise.all(going.map((one) => whyWhole(one, context)))).filter((one) => one !== undefined),
    };
  },
  orphan: () => ({ because: ["orphan: the garbage collector first removes it from the owners of what it owns"] }),
  "kubernetes.io/pvc-protection": async ({ namespace, name }, context) => {
    const pods = await context.list<Pod>("pods", namespace);
    const users = pods.filter(
      ({ spec, status }) =>
        !["Succeeded", "Failed"].includes(status?.phase ?? "") &&
        spec?.volumes?.some(({ persistentVolumeClaim: claim }) => claim?.claimName === name),
    );
    const names = users.map(({ metadata }) => `pod/${metadata.name}`);
    return {
      because: [
        names.length > 0
          ? `kubernetes.io/pvc-protection: Pods use the claim: ${some(names)}`
          : "kubernetes.io/pvc-protection: no Pod uses the claim any more; the controller has to see it",
      ],
      helps: names.length > 0 ? ["it goes when those Pods are gone"] : [],
    };
  },
  "kubernetes.io/pv-protection": ({ object }) => {
    const claim = (object["spec"] as { claimRef?: { namespace?: string; name?: string } } | undefined)?.claimRef;
    return {
      because: [
        `kubernetes.io/pv-protection: ${claim ? `the volume is bound to the claim ${claim.namespace}/${claim.name}` : "the controller has to see that nothing is bound to it"}`,
      ],
    };
  },
  "batch.kubernetes.io/job-tracking": () => ({
    because: ["batch.kubernetes.io/job-tracking: the Job controller has to count how the Pod ended"],
  }),
  "customresourcecleanup.apiextensions.k8s.io": () => ({
    because: ["customresourcecleanup.apiextensions.k8s.io: all objects of the kind are deleted first"],
  }),
};

/** Of what is owned only its metadata is known so far. */
async function whyWhole({ type, namespace, name }: FoundObject, context: WhyContext) {
  const object = await context.get(qualified(type), namespace, name);
  return object && whyTerminating({ type, namespace, name, object }, context);
}

/** A Pod's node says when its containers have ended. */
async function ofPod(pod: Pod, context: WhyContext): Promise<Part> {
  const { deletionTimestamp = "", name, namespace, deletionGracePeriodSeconds: grace = 0 } = pod.metadata;
  const { nodeName } = pod.spec ?? {};
  if (!nodeName) return { because: [] };
  const running = (pod.status?.containerStatuses ?? []).filter(({ state }) => state?.running).map((one) => one.name);
  if (running.length === 0 && (pod.metadata.finalizers ?? []).length > 0) return { because: [] };
  const left = Math.ceil((Date.parse(deletionTimestamp) - context.now) / 1000);
  const node = await context.get<Node>("nodes", undefined, nodeName);
  const ready = node?.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status !== "True") {
    const why = node ? `is not ready (${ready?.reason ?? "no word from it"})` : "is gone";
    return {
      because: [`its node ${nodeName} ${why}: nobody can say that its containers have ended`],
      helps: [`if they cannot run any more: kubectl delete pod ${name} -n ${namespace} --force --grace-period=0`],
    };
  }
  const hook = lastEvent(
    await context.events(pod as never),
    "FailedPreStopHook",
    "FailedKillPod",
    "ExceededGracePeriod",
  );
  return {
    because: [
      running.length > 0
        ? `running yet: ${running.join(", ")}; ${left > 0 ? `they are killed in ${left}s` : "their time is over"} (grace period ${grace}s)`
        : `${nodeName} is clearing it away`,
      ...(hook ? [hook] : []),
    ],
  };
}

/** Its conditions name what is left in it. */
function ofNamespace({ status, spec }: Namespace): Part {
  const left = (status?.conditions ?? []).filter((one) => one.status === "True");
  const finalizers = (spec?.finalizers ?? []).filter((one) => one !== "kubernetes");
  return {
    because: [
      ...left.map(({ type, message }) => `${type}: ${oneLine(message)}`),
      ...(left.length === 0 && spec?.finalizers?.includes("kubernetes") ? ["what is in it is being deleted"] : []),
      ...finalizers.map((one) => `spec.finalizers has ${one}: whoever set it removes it`),
    ],
  };
}
