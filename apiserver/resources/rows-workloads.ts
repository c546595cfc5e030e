/**
 * Rows of the kinds that make Pods, and of what limits and scales them: apps, batch, autoscaling, policy, scheduling.
 */
import { dns1123Label } from "../../machinery/objects/names.ts";
import { autoscalerColumns } from "./columns/autoscaling.ts";
import * as cluster from "./columns/cluster.ts";
import * as workloads from "./columns/workloads.ts";
import type { ResourceRow } from "./contract.ts";
import { group, replicaScale } from "./row.ts";

const apps = group("apps", "v1");
const batch = group("batch", "v1");
const autoscaling = group("autoscaling", "v2");
const policy = group("policy", "v1");
const scheduling = group("scheduling.k8s.io", "v1");
const node = group("node.k8s.io", "v1");

export const workloadRows: readonly ResourceRow[] = [
  apps("ControllerRevision", "controllerrevisions", {
    columns: workloads.controllerRevisionColumns,
    storedOnly: true,
  }),
  apps("DaemonSet", "daemonsets", {
    short: ["ds"],
    categories: ["all"],
    status: true,
    columns: workloads.daemonSetColumns,
    storedOnly: true,
  }),
  apps("Deployment", "deployments", {
    short: ["deploy"],
    categories: ["all"],
    status: true,
    scale: replicaScale(".spec.selector"),
    columns: workloads.deploymentColumns,
  }),
  apps("ReplicaSet", "replicasets", {
    short: ["rs"],
    categories: ["all"],
    status: true,
    scale: replicaScale(".spec.selector"),
    columns: workloads.replicaSetColumns,
  }),
  apps("StatefulSet", "statefulsets", {
    short: ["sts"],
    categories: ["all"],
    status: true,
    scale: replicaScale(".spec.selector"),
    names: dns1123Label,
    columns: workloads.statefulSetColumns,
    storedOnly: true,
  }),
  batch("CronJob", "cronjobs", {
    short: ["cj"],
    categories: ["all"],
    status: true,
    columns: workloads.cronJobColumns,
    storedOnly: true,
  }),
  batch("Job", "jobs", { categories: ["all"], status: true, columns: workloads.jobColumns }),
  autoscaling("HorizontalPodAutoscaler", "horizontalpodautoscalers", {
    short: ["hpa"],
    categories: ["all"],
    status: true,
    columns: autoscalerColumns,
    storedOnly: true,
  }),
  policy("PodDisruptionBudget", "poddisruptionbudgets", {
    short: ["pdb"],
    status: true,
    columns: workloads.podDisruptionBudgetColumns,
    storedOnly: true,
  }),
  scheduling("PriorityClass", "priorityclasses", {
    short: ["pc"],
    cluster: true,
    columns: cluster.priorityClassColumns,
  }),
  node("RuntimeClass", "runtimeclasses", {
    cluster: true,
    names: dns1123Label,
    columns: cluster.runtimeClassColumns,
    storedOnly: true,
  }),
];
