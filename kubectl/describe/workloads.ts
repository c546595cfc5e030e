/** describe of what makes Pods: deployments, replica sets, jobs, and the others that have a template. */
import { humanDuration } from "../../machinery/objects/duration.ts";
import type { Deployment, Job, Pod, PodTemplateSpec, ReplicaSet } from "../../machinery/objects/kinds.ts";
import { formatLabelSelector } from "../../machinery/objects/selectors.ts";
import type { KubeObject, LabelSelector } from "../../machinery/objects/wire.ts";
import { type DescribeContext, type Describer, related } from "./describer.ts";
import type { Document } from "./document.ts";
import { writeEvents } from "./events.ts";
import {
  longTime,
  orNone,
  type ShownCondition,
  writeAnnotations,
  writeConditions,
  writeController,
  writeLabels,
  writeMeta,
} from "./fields.ts";
import { writeTemplate } from "./pod-template.ts";

const selectorText = (selector: unknown) => orNone(formatLabelSelector(selector as LabelSelector | undefined));

export const describeDeployment: Describer = async (object, document, context) => {
  const { metadata, spec, status } = object as unknown as Deployment;
  writeMeta(document, object);
  document.write(0, `CreationTimestamp:\t${longTime(metadata.creationTimestamp)}\n`);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  document.write(0, `Selector:\t${selectorText(spec?.selector)}\n`);
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0, unavailableReplicas = 0 } = status ?? {};
  const counts = `${spec?.replicas ?? 1} desired | ${updatedReplicas} updated | ${replicas} total | ${availableReplicas} available | ${unavailableReplicas} unavailable`;
  document.write(0, `Replicas:\t${counts}\n`);
  document.write(0, `StrategyType:\t${spec?.strategy?.type ?? ""}\n`);
  document.write(0, `MinReadySeconds:\t${spec?.minReadySeconds ?? 0}\n`);
  const rolling = spec?.strategy?.rollingUpdate;
  if (rolling) {
    document.write(
      0,
      `RollingUpdateStrategy:\t${rolling.maxUnavailable} max unavailable, ${rolling.maxSurge} max surge\n`,
    );
  }
  writeTemplate(document, spec?.template as PodTemplateSpec | undefined);
  writeConditions(document, status?.conditions as ShownCondition[] | undefined);
  await writeReplicaSets(object, document, context);
  await writeEvents(object, document, context);
};

const REVISION = "deployment.kubernetes.io/revision";

async function writeReplicaSets(object: KubeObject, document: Document, context: DescribeContext): Promise<void> {
  const { metadata, spec } = object as unknown as Deployment;
  const selector = formatLabelSelector(spec?.selector as LabelSelector);
  const all = await related<ReplicaSet>(context, "replicasets.apps", metadata.namespace, { selector });
  const owned = all.filter((one) => one.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid));
  const revision = metadata.annotations?.[REVISION];
  const isNew = (one: ReplicaSet) => revision !== undefined && one.metadata.annotations?.[REVISION] === revision;
  if (owned.length === 0) return;
  const old = owned.filter((one) => !isNew(one));
  document.write(0, `OldReplicaSets:\t${replicaSetsText(old)}\n`);
  document.write(0, `NewReplicaSet:\t${replicaSetsText(owned.filter(isNew))}\n`);
}

function replicaSetsText(sets: readonly ReplicaSet[]): string {
  const texts = sets.map(
    ({ metadata, spec, status }) =>
      `${metadata.name} (${status?.replicas ?? 0}/${spec?.replicas ?? 0} replicas created)`,
  );
  return orNone(texts.join(", "));
}

async function podCounts(object: KubeObject, selector: unknown, context: DescribeContext): Promise<string> {
  const { namespace, uid } = object.metadata;
  const pods = await related<Pod>(context, "pods", namespace, {
    selector: formatLabelSelector(selector as LabelSelector),
  });
  const own = pods.filter(({ metadata }) =>
    metadata.ownerReferences?.some((owner) => owner.controller && owner.uid === uid),
  );
  const count = (phase: string) => own.filter(({ status }) => status?.phase === phase).length;
  return `${count("Running")} Running / ${count("Pending")} Waiting / ${count("Succeeded")} Succeeded / ${count("Failed")} Failed`;
}

export const describeReplicaSet: Describer = async (object, document, context) => {
  const { metadata, spec, status } = object as unknown as ReplicaSet;
  writeMeta(document, object);
  document.write(0, `Selector:\t${selectorText(spec?.selector)}\n`);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  writeController(document, object);
  document.write(0, `Replicas:\t${status?.replicas ?? 0} current / ${spec?.replicas ?? 1} desired\n`);
  document.write(0, `Pods Status:\t${await podCounts(object, spec?.selector, context)}\n`);
  writeTemplate(document, spec?.template as PodTemplateSpec | undefined);
  writeConditions(document, status?.conditions as ShownCondition[] | undefined);
  await writeEvents(object, document, context);
};

export const describeJob: Describer = async (object, document, context) => {
  const { metadata, spec, status } = object as unknown as Job;
  writeMeta(document, object);
  if (spec?.selector) document.write(0, `Selector:\t${selectorText(spec.selector)}\n`);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  writeController(document, object);
  const { startTime, completionTime } = status ?? {};
  const took =
    startTime && completionTime ? humanDuration(Date.parse(completionTime) - Date.parse(startTime)) : undefined;
  const rows: readonly [string, unknown][] = [
    ["Parallelism", spec?.parallelism],
    ["Completions", spec?.completions ?? "<unset>"],
    ["Completion Mode", spec?.completionMode],
    ["Suspend", spec?.suspend],
    ["Backoff Limit", spec?.backoffLimit],
    ["TTL Seconds After Finished", spec?.ttlSecondsAfterFinished],
    ["Start Time", startTime && longTime(startTime)],
    ["Completed At", completionTime && longTime(completionTime)],
    ["Duration", took],
    [
      "Active Deadline Seconds",
      spec?.activeDeadlineSeconds === undefined ? undefined : `${spec.activeDeadlineSeconds}s`,
    ],
    ["Pods Statuses", jobCounts(status)],
    ["Completed Indexes", spec?.completionMode === "Indexed" ? orNone(status?.completedIndexes ?? "") : undefined],
  ];
  for (const [title, value] of rows) if (value !== undefined) document.write(0, `${title}:\t${String(value)}\n`);
  writeTemplate(document, spec?.template as PodTemplateSpec | undefined);
  await writeEvents(object, document, context);
};

function jobCounts(status: Job["status"]): string {
  const { active = 0, ready, succeeded = 0, failed = 0 } = status ?? {};
  const running = ready === undefined ? `${active} Active` : `${active} Active (${ready} Ready)`;
  return `${running} / ${succeeded} Succeeded / ${failed} Failed`;
}
