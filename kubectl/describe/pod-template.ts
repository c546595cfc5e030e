/** The Pod template of a workload. */
import type { Container, PodTemplateSpec, Toleration, Volume } from "../../machinery/objects/kinds.ts";
import { writeContainers } from "./containers.ts";
import type { Document } from "./document.ts";
import { writeAnnotations, writeLabels, writeTolerations } from "./fields.ts";
import { writeVolumes } from "./volumes.ts";

export function writeTemplate(document: Document, template: PodTemplateSpec | undefined): void {
  document.write(0, "Pod Template:\n");
  if (!template) {
    document.write(1, "<unset>");
    return;
  }
  const { metadata, spec } = template;
  writeLabels(document, "  Labels", metadata?.labels);
  if (Object.keys(metadata?.annotations ?? {}).length > 0)
    writeAnnotations(document, "  Annotations", metadata?.annotations);
  if (spec?.serviceAccountName) document.write(0, `  Service Account:\t${spec.serviceAccountName}\n`);
  const space = "  ";
  const initContainers = (spec?.initContainers ?? []) as Container[];
  if (initContainers.length > 0)
    writeContainers(document, { title: "Init Containers", containers: initContainers, space });
  writeContainers(document, { title: "Containers", containers: (spec?.containers ?? []) as Container[], space });
  writeVolumes(document, (spec?.volumes ?? []) as Volume[], space);
  if (spec?.priorityClassName) document.write(0, `  Priority Class Name:\t${spec.priorityClassName}\n`);
  writeLabels(document, "  Node-Selectors", spec?.nodeSelector);
  writeTolerations(document, "  Tolerations", spec?.tolerations as Toleration[] | undefined);
}
