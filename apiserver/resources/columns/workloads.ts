/**
 * Columns of the kinds that make Pods: Deployment, ReplicaSet, Job and the like.
 */
import type * as models from "@kubernetes/client-node";
import { isTrue } from "../../../machinery/objects/conditions.ts";
import type {
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  PodTemplateSpec,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import { formatLabelSelector } from "../../../machinery/objects/selectors.ts";
import type { LabelSelector, Stored } from "../../../machinery/objects/wire.ts";
import {
  ageColumn,
  between,
  columns,
  labelList,
  nameColumn,
  none,
  number,
  since,
  text,
  unset,
  wideText,
} from "./column.ts";

interface Templated {
  spec?: { template?: PodTemplateSpec; selector?: LabelSelector };
}

const containerNames = (template: PodTemplateSpec | undefined): string =>
  (template?.spec?.containers ?? []).map(({ name }) => name).join(",");
const containerImages = (template: PodTemplateSpec | undefined): string =>
  (template?.spec?.containers ?? []).map(({ image }) => image ?? "").join(",");

const containersColumn = wideText<Templated>("Containers", "Names of the containers in the template", ({ spec }) =>
  containerNames(spec?.template),
);
const imagesColumn = wideText<Templated>("Images", "Images of the containers in the template", ({ spec }) =>
  containerImages(spec?.template),
);
const selectorColumn = wideText<Templated>("Selector", "Which Pods belong to it", ({ spec }) =>
  formatLabelSelector(spec?.selector),
);

export const deploymentColumns = columns<Deployment>(
  nameColumn,
  text<Deployment>(
    "Ready",
    "Replicas that are ready, of those wanted",
    ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
  ),
  number<Deployment>("Up-to-date", "Replicas of the current template", ({ status }) => status?.updatedReplicas ?? 0),
  number<Deployment>("Available", "Replicas ready for minReadySeconds", ({ status }) => status?.availableReplicas ?? 0),
  ageColumn,
  containersColumn,
  imagesColumn,
  selectorColumn,
);

export const replicaSetColumns = columns<ReplicaSet>(
  nameColumn,
  number<ReplicaSet>("Desired", "Replicas wanted", ({ spec }) => spec?.replicas ?? 0),
  number<ReplicaSet>("Current", "Replicas there are", ({ status }) => status?.replicas ?? 0),
  number<ReplicaSet>("Ready", "Replicas that are ready", ({ status }) => status?.readyReplicas ?? 0),
  ageColumn,
  containersColumn,
  imagesColumn,
  selectorColumn,
);

export const replicationControllerColumns = columns<ReplicationController>(
  nameColumn,
  number<ReplicationController>("Desired", "Replicas wanted", ({ spec }) => spec?.replicas ?? 0),
  number<ReplicationController>("Current", "Replicas there are", ({ status }) => status?.replicas ?? 0),
  number<ReplicationController>("Ready", "Replicas that are ready", ({ status }) => status?.readyReplicas ?? 0),
  ageColumn,
  containersColumn,
  imagesColumn,
  wideText<ReplicationController>("Selector", "Which Pods belong to it", ({ spec }) => labelList(spec?.selector)),
);

export const statefulSetColumns = columns<StatefulSet>(
  nameColumn,
  text<StatefulSet>(
    "Ready",
    "Replicas that are ready, of those wanted",
    ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
  ),
  ageColumn,
  containersColumn,
  imagesColumn,
);

export const daemonSetColumns = columns<DaemonSet>(
  nameColumn,
  number<DaemonSet>("Desired", "Nodes that should run it", ({ status }) => status?.desiredNumberScheduled ?? 0),
  number<DaemonSet>("Current", "Nodes that run it", ({ status }) => status?.currentNumberScheduled ?? 0),
  number<DaemonSet>("Ready", "Nodes where it is ready", ({ status }) => status?.numberReady ?? 0),
  number<DaemonSet>(
    "Up-to-date",
    "Nodes with the current template",
    ({ status }) => status?.updatedNumberScheduled ?? 0,
  ),
  number<DaemonSet>("Available", "Nodes ready for minReadySeconds", ({ status }) => status?.numberAvailable ?? 0),
  text<DaemonSet>("Node Selector", "Labels of the nodes meant", ({ spec }) =>
    labelList(spec?.template.spec?.nodeSelector),
  ),
  ageColumn,
  containersColumn,
  imagesColumn,
  selectorColumn,
);

/** The first condition that holds names a Job's status. */
const JOB_WORDS = [
  ["Complete", "Complete"],
  ["Failed", "Failed"],
  ["", "Terminating"],
  ["Suspended", "Suspended"],
  ["FailureTarget", "FailureTarget"],
  ["SuccessCriteriaMet", "SuccessCriteriaMet"],
] as const;

export const jobColumns = columns<Job>(
  nameColumn,
  text<Job>("Status", "How the Job is doing", ({ metadata, status }) => {
    const holds = (condition: string): boolean =>
      condition === "" ? metadata.deletionTimestamp !== undefined : isTrue(status?.conditions, condition);
    return JOB_WORDS.find(([condition]) => holds(condition))?.[1] ?? "Running";
  }),
  text<Job>("Completions", "Pods that succeeded, of those wanted", completions),
  text<Job>("Duration", "How long it ran", ({ status }, now) => {
    if (!status?.startTime) return "";
    return status.completionTime ? between(status.startTime, status.completionTime) : since(status.startTime, now);
  }),
  ageColumn,
  containersColumn,
  imagesColumn,
  selectorColumn,
);

function completions({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

export const cronJobColumns = columns<CronJob>(
  nameColumn,
  text<CronJob>("Schedule", "When it runs, in cron's notation", ({ spec }) => spec?.schedule ?? ""),
  text<CronJob>("Timezone", "Time zone of the schedule", ({ spec }) => spec?.timeZone || none),
  text<CronJob>("Suspend", "Whether runs are suspended", ({ spec }) =>
    spec?.suspend === undefined ? unset : spec.suspend ? "True" : "False",
  ),
  number<CronJob>("Active", "Jobs that run now", ({ status }) => status?.active?.length ?? 0),
  text<CronJob>("Last Schedule", "Time since the last run", ({ status }, now) =>
    status?.lastScheduleTime ? since(status.lastScheduleTime, now) : none,
  ),
  ageColumn,
  wideText<CronJob>("Containers", "Names of the containers in the template", ({ spec }) =>
    containerNames(spec?.jobTemplate.spec?.template),
  ),
  wideText<CronJob>("Images", "Images of the containers in the template", ({ spec }) =>
    containerImages(spec?.jobTemplate.spec?.template),
  ),
  wideText<CronJob>("Selector", "Which Pods belong to its Jobs", ({ spec }) =>
    formatLabelSelector(spec?.jobTemplate.spec?.selector),
  ),
);

export const controllerRevisionColumns = columns<ControllerRevision>(
  nameColumn,
  text<ControllerRevision>("Controller", "What it is a revision of", (revision) => {
    const owner = controllerOf(revision);
    if (!owner) return none;
    const group = owner.apiVersion.includes("/") ? `.${owner.apiVersion.split("/")[0]}` : "";
    return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
  }),
  number<ControllerRevision>("Revision", "Its number", ({ revision }) => revision),
  ageColumn,
);

type PodTemplate = Stored<models.V1PodTemplate>;

export const podTemplateColumns = columns<PodTemplate>(
  nameColumn,
  text<PodTemplate>("Containers", "Names of the containers", ({ template }) => containerNames(template)),
  text<PodTemplate>("Images", "Images of the containers", ({ template }) => containerImages(template)),
  text<PodTemplate>("Pod Labels", "Labels of the Pods", ({ template }) => labelList(template?.metadata?.labels)),
);

type Budget = Stored<models.V1PodDisruptionBudget>;

export const podDisruptionBudgetColumns = columns<Budget>(
  nameColumn,
  text<Budget>("Min Available", "Pods that must stay", ({ spec }) => String(spec?.minAvailable ?? "N/A")),
  text<Budget>("Max Unavailable", "Pods that may be missing", ({ spec }) => String(spec?.maxUnavailable ?? "N/A")),
  number<Budget>("Allowed Disruptions", "Pods that may go now", ({ status }) => status?.disruptionsAllowed ?? 0),
  ageColumn,
);
