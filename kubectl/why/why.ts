/** Why: which explanation an object gets: by its kind, and first of all why it is still there when it should be gone. */
import type { FoundObject } from "../selection.ts";
import { whyClaim } from "./claim.ts";
import { whyTerminating } from "./deletion.ts";
import type { Explainer, Explanation, WhyContext } from "./explanation.ts";
import { whyAnything, whyCronJob, whyNode, whyService } from "./others.ts";
import { whyPod } from "./pod.ts";
import { whyWorkload } from "./workloads.ts";

/** By "kind.group". */
const EXPLAINERS: Readonly<Record<string, Explainer>> = {
  "Pod.": whyPod,
  "Deployment.apps": whyWorkload,
  "ReplicaSet.apps": whyWorkload,
  "StatefulSet.apps": whyWorkload,
  "DaemonSet.apps": whyWorkload,
  "ReplicationController.": whyWorkload,
  "Job.batch": whyWorkload,
  "CronJob.batch": whyCronJob,
  "PersistentVolumeClaim.": whyClaim,
  "Service.": whyService,
  "Node.": whyNode,
};

export function why(found: FoundObject, context: WhyContext): Promise<Explanation> {
  if (found.object.metadata.deletionTimestamp) return whyTerminating(found, context);
  const explainer = EXPLAINERS[`${found.type.kind}.${found.type.group}`] ?? whyAnything;
  return explainer(found, context);
}
