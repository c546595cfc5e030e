/** describe of kinds with little to tell: config maps, secrets, namespaces, events of their own kind. */
import type { ConfigMap, Namespace, Secret } from "../../machinery/objects/kinds.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { type Describer, related } from "./describer.ts";
import { writeEvents } from "./events.ts";
import { writeAnnotations, writeLabels, writeMeta } from "./fields.ts";

export const describeConfigMap: Describer = async (object, document, context) => {
  const { metadata, data = {}, binaryData = {} } = object as unknown as ConfigMap;
  writeMeta(document, object);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  document.write(0, "\nData\n====\n");
  for (const key of Object.keys(data).sort()) document.write(0, `${key}:\n----\n${data[key]}\n\n`);
  document.write(0, "\nBinaryData\n====\n");
  for (const key of Object.keys(binaryData).sort()) {
    document.write(0, `${key}: ${Buffer.from(binaryData[key]!, "base64").length} bytes\n`);
  }
  document.write(0, "\n");
  await writeEvents(object, document, context);
};

const TOKEN_TYPE = "kubernetes.io/service-account-token";

export const describeSecret: Describer = async (object, document) => {
  const { metadata, data = {}, type = "" } = object as unknown as Secret;
  writeMeta(document, object);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  document.write(0, `\nType:\t${type}\n`);
  document.write(0, "\nData\n====\n");
  for (const key of Object.keys(data).sort()) {
    const value = Buffer.from(data[key]!, "base64");
    const shown = type === TOKEN_TYPE && key === "token" ? value.toString("utf8") : `${value.length} bytes`;
    document.write(0, `${key}:\t${shown}\n`);
  }
};

export const describeNamespace: Describer = async (object, document, context) => {
  const { metadata, status } = object as unknown as Namespace;
  document.write(0, `Name:\t${metadata.name}\n`);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  document.write(0, `Status:\t${status?.phase ?? ""}\n`);
  if (status?.conditions?.length) {
    document.write(0, "Conditions:\n  Type\tStatus\tLastTransitionTime\tReason\tMessage\n");
    document.write(1, "----\t------\t------------------\t------\t-------\n");
    for (const { type, status: value, lastTransitionTime = "", reason = "", message = "" } of status.conditions) {
      document.write(1, `${type}\t${value}\t${lastTransitionTime}\t${reason}\t${message}\n`);
    }
  }
  for (const [resource, none] of [
    ["resourcequotas", "No resource quota."],
    ["limitranges", "No LimitRange resource."],
  ] as const) {
    const found = await related<KubeObject>(context, resource, metadata.name, {});
    if (found.length === 0) document.write(0, `\n${none}\n`);
    for (const one of found) document.write(0, `\n${one.kind}\n  Name:\t${one.metadata.name}\n`);
  }
};
