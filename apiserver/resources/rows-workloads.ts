/**
 * Rows of the kinds that make Pods, and of what limits and scales them: apps, batch, autoscaling, policy, scheduling.
 */
import { dns1123Label } from "../../machinery/objects/names.ts";
import { autoscalerStrategy } from "./autoscaler.ts";
import { autoscalersStoredAs, olderAutoscalerColumns, olderAutoscalerStrategy } from "./autoscaler-v1.ts";
import { autoscalerColumns } from "./columns/autoscaling.ts";
import * as cluster from "./columns/cluster.ts";
import * as workloads from "./columns/workloads.ts";
import type { ResourceRow } from "./contract.ts";
import { controllerRevisionStrategy } from "./controller-revision.ts";
import { cronJobName, cronJobStrategy } from "./cron-job.ts";
import { daemonSetStrategy } from "./daemon-set.ts";
import { deploymentStrategy } from "./deployment.ts";
import { podDisruptionBudgetStrategy } from "./disruption-budget.ts";
import { jobStrategy } from "./job.ts";
import { priorityClassStrategy } from "./priority-class.ts";
import { replicaSetStrategy } from "./replica-set.ts";
import { group, replicaScale } from "./row.ts";
import { runtimeClassStrategy } from "./runtime-class.ts";
import { statefulSetStrategy } from "./stateful-set.ts";

const apps = group("apps", "v1");
const batch = group("batch", "v1");
const autoscaling = group("autoscaling", "v2");
const olderAutoscaling = group("autoscaling", "v1");
const policy = group("policy", "v1");
const scheduling = group("scheduling.k8s.io", "v1");
const node = group("node.k8s.io", "v1");

export const workloadRows: readonly ResourceRow[] = [
  apps("ControllerRevision", "controllerrevisions", {
    strategy: controllerRevisionStrategy,
    columns: workloads.controllerRevisionColumns,
  }),
  apps("DaemonSet", "daemonsets", {
    strategy: daemonSetStrategy,
    generation: true,
    short: ["ds"],
    categories: ["all"],
    status: true,
    columns: workloads.daemonSetColumns,
  }),
  apps("Deployment", "deployments", {
    strategy: deploymentStrategy,
    generation: true,
    short: ["deploy"],
    categories: ["all"],
    status: true,
    scale: replicaScale(".spec.selector"),
    columns: workloads.deploymentColumns,
  }),
  apps("ReplicaSet", "replicasets", {
    strategy: replicaSetStrategy,
    generation: true,
    short: ["rs"],
    categories: ["all"],
    status: true,
    scale: replicaScale(".spec.selector"),
    columns: workloads.replicaSetColumns,
  }),
  apps("StatefulSet", "statefulsets", {
    strategy: statefulSetStrategy,
    generation: true,
    short: ["sts"],
    categories: ["all"],
    status: true,
    scale: replicaScale(".spec.selector"),
    names: dns1123Label,
    columns: workloads.statefulSetColumns,
  }),
  batch("CronJob", "cronjobs", {
    strategy: cronJobStrategy,
    generation: true,
    short: ["cj"],
    names: cronJobName,
    categories: ["all"],
    status: true,
    columns: workloads.cronJobColumns,
  }),
  batch("Job", "jobs", {
    strategy: jobStrategy,
    generation: true,
    categories: ["all"],
    status: true,
    columns: workloads.jobColumns,
  }),
  autoscaling("HorizontalPodAutoscaler", "horizontalpodautoscalers", {
    strategy: autoscalerStrategy,
    short: ["hpa"],
    categories: ["all"],
    status: true,
    columns: autoscalerColumns,
  }),
  olderAutoscaling("HorizontalPodAutoscaler", "horizontalpodautoscalers", {
    strategy: olderAutoscalerStrategy,
    short: ["hpa"],
    categories: ["all"],
    status: true,
    columns: olderAutoscalerColumns,
    storedAs: autoscalersStoredAs,
  }),
  policy("PodDisruptionBudget", "poddisruptionbudgets", {
    strategy: podDisruptionBudgetStrategy,
    generation: true,
    short: ["pdb"],
    status: true,
    columns: workloads.podDisruptionBudgetColumns,
  }),
  scheduling("PriorityClass", "priorityclasses", {
    strategy: priorityClassStrategy,
    generation: true,
    short: ["pc"],
    cluster: true,
    columns: cluster.priorityClassColumns,
  }),
  node("RuntimeClass", "runtimeclasses", {
    strategy: runtimeClassStrategy,
    cluster: true,
    names: dns1123Label,
    columns: cluster.runtimeClassColumns,
  }),
];
