/** Claim: why a PersistentVolumeClaim has no volume. */
import type { PersistentVolumeClaim, Pod, StorageClass } from "../../machinery/objects/kinds.ts";
import { badConditions } from "./conditions.ts";
import { type Explainer, explanation, lastEvent, type WhyContext } from "./explanation.ts";

const DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class";

export const whyClaim: Explainer = async ({ object, name }, context) => {
  const claim = object as unknown as PersistentVolumeClaim;
  const subject = `persistentvolumeclaim/${name}`;
  const { phase = "Pending" } = claim.status ?? {};
  const bad = badConditions(object);
  if (phase === "Bound")
    return explanation(subject, `is bound to ${claim.spec?.volumeName}`, { well: bad.length === 0, because: bad });
  if (phase === "Lost")
    return explanation(subject, `is lost: its volume ${claim.spec?.volumeName} is gone`, { because: bad });
  const events = await context.events(object);
  const { because, helps } = await pendingClaim(claim, context);
  const last = lastEvent(
    events,
    "ProvisioningFailed",
    "FailedBinding",
    "VolumeMismatch",
    "ExternalProvisioning",
    "WaitForFirstConsumer",
    "WaitForPodScheduled",
  );
  return explanation(subject, "is Pending: it has no volume", { because: [because, last, ...bad], helps });
};

async function pendingClaim({ spec, metadata }: PersistentVolumeClaim, context: WhyContext) {
  const { storageClassName, volumeName } = spec ?? {};
  if (volumeName) return { because: `it names the volume ${volumeName}, which has not been bound to it`, helps: [] };
  if (storageClassName === "")
    return {
      because: "it takes volumes without a class only, and none fits",
      helps: ["create a PersistentVolume of its size and access modes"],
    };
  const classes = await context.list<StorageClass>("storageclasses.storage.k8s.io", undefined);
  if (storageClassName === undefined) {
    const usual = classes.find(({ metadata: { annotations } }) => annotations?.[DEFAULT_CLASS] === "true");
    return usual
      ? { because: undefined, helps: [] }
      : {
          because: "it names no storage class, and there is no default one",
          helps: ["set storageClassName, or mark a class as the default"],
        };
  }
  const found = classes.find((one) => one.metadata.name === storageClassName);
  if (!found)
    return {
      because: `its storage class ${storageClassName} does not exist`,
      helps: [`create it, or one of: ${classes.map((one) => one.metadata.name).join(", ") || "none is there"}`],
    };
  if (found.volumeBindingMode !== "WaitForFirstConsumer") return { because: undefined, helps: [] };
  const pods = await context.list<Pod>("pods", metadata.namespace);
  const users = pods.filter(({ spec: pod }) =>
    pod?.volumes?.some((one) => one.persistentVolumeClaim?.claimName === metadata.name),
  );
  return users.length === 0
    ? {
        because: `its class ${storageClassName} waits for the first Pod that uses it, and there is none`,
        helps: ["create a Pod that uses the claim"],
      }
    : {
        because: `its class ${storageClassName} waits until a Pod that uses it has a node: ${users.map((pod) => `pod/${pod.metadata.name}`).join(", ")}`,
        helps: [],
      };
}
