/** describe pod. */
import type { Container, ContainerStatus, Pod, Toleration, Volume } from "../../machinery/objects/kinds.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { writeContainers } from "./containers.ts";
import type { Describer } from "./describer.ts";
import type { Document } from "./document.ts";
import { writeEvents } from "./events.ts";
import {
  ago,
  longTime,
  writeAnnotations,
  writeController,
  writeLabels,
  writeMeta,
  writeTolerations,
} from "./fields.ts";
import { writeVolumes } from "./volumes.ts";

export const describePod: Describer = async (object, document, context) => {
  const pod = object as unknown as Pod;
  const { spec, status } = pod;
  writeMeta(document, object);
  writePlace(document, pod);
  writeLabels(document, "Labels", pod.metadata.labels);
  writeAnnotations(document, "Annotations", pod.metadata.annotations);
  writeStatus(document, pod, context.now);
  writeAddresses(document, pod);
  writeController(document, object);
  if (status?.nominatedNodeName) document.write(0, `NominatedNodeName:\t${status.nominatedNodeName}\n`);
  const rows: readonly [string, unknown, unknown][] = [
    ["Init Containers", spec?.initContainers, status?.initContainerStatuses],
    ["Containers", spec?.containers, status?.containerStatuses],
    ["Ephemeral Containers", spec?.ephemeralContainers, status?.ephemeralContainerStatuses],
  ];
  for (const [title, containers = [], statuses] of rows) {
    const list = containers as Container[];
    if (list.length === 0 && title !== "Containers") continue;
    writeContainers(document, { title, containers: list, statuses: statuses as ContainerStatus[], space: "", pod });
  }
  writePodConditions(document, pod);
  writeVolumes(document, (spec?.volumes ?? []) as Volume[]);
  document.write(0, `QoS Class:\t${status?.qosClass ?? ""}\n`);
  writeLabels(document, "Node-Selectors", spec?.nodeSelector);
  writeTolerations(document, "Tolerations", spec?.tolerations as Toleration[] | undefined);
  await writeEvents(object as KubeObject, document, context);
};

function writePlace(document: Document, { spec, status }: Pod): void {
  if (spec?.priority !== undefined) document.write(0, `Priority:\t${spec.priority}\n`);
  if (spec?.priorityClassName) document.write(0, `Priority Class Name:\t${spec.priorityClassName}\n`);
  if (spec?.runtimeClassName) document.write(0, `Runtime Class Name:\t${spec.runtimeClassName}\n`);
  if (spec?.serviceAccountName) document.write(0, `Service Account:\t${spec.serviceAccountName}\n`);
  document.write(0, `Node:\t${spec?.nodeName ? `${spec.nodeName}/${status?.hostIP ?? ""}` : "<none>"}\n`);
  if (status?.startTime) document.write(0, `Start Time:\t${longTime(status.startTime)}\n`);
}

function writeStatus(document: Document, { metadata, spec, status }: Pod, now: number): void {
  const over = ["Failed", "Succeeded"].includes(status?.phase ?? "");
  if (metadata.deletionTimestamp && !over) {
    document.write(0, `Status:\tTerminating (lasts ${ago(metadata.deletionTimestamp, now)})\n`);
    document.write(0, `Termination Grace Period:\t${metadata.deletionGracePeriodSeconds ?? 0}s\n`);
  } else document.write(0, `Status:\t${status?.phase ?? ""}\n`);
  if (status?.reason) document.write(0, `Reason:\t${status.reason}\n`);
  if (status?.message) document.write(0, `Message:\t${status.message}\n`);
  const profile = spec?.securityContext?.seccompProfile;
  if (!profile) return;
  document.write(0, `SeccompProfile:\t${profile.type}\n`);
  if (profile.type === "Localhost") document.write(0, `LocalhostProfile:\t${profile.localhostProfile ?? ""}\n`);
}

function writeAddresses(document: Document, { status }: Pod): void {
  document.write(0, `IP:\t${status?.podIP ?? ""}\n`);
  const ips = status?.podIPs ?? [];
  document.write(0, ips.length === 0 ? "IPs:\t<none>\n" : "IPs:\n");
  for (const { ip } of ips) document.write(1, `IP:\t${ip}\n`);
}

function writePodConditions(document: Document, { spec, status }: Pod): void {
  const conditions = status?.conditions ?? [];
  const gates = spec?.readinessGates ?? [];
  if (gates.length > 0) {
    document.write(0, "Readiness Gates:\n  Type\tStatus\n");
    for (const { conditionType } of gates) {
      const found = conditions.find(({ type }) => type === conditionType);
      document.write(1, `${conditionType} \t${found?.status ?? "<none>"} \n`);
    }
  }
  if (conditions.length === 0) return;
  document.write(0, "Conditions:\n  Type\tStatus\n");
  for (const { type, status: value } of conditions) document.write(1, `${type} \t${value} \n`);
}
