/** Containers of a Pod or a template: image, command, state, resources, probes, environment, mounts. */
import type { Container, ContainerState, ContainerStatus, Pod, Probe } from "../../machinery/objects/kinds.ts";
import { canonicalQuantity } from "../../machinery/objects/quantity.ts";
import { compilePath, textOf } from "../output/jsonpath.ts";
import type { Document } from "./document.ts";
import { longTime, orNone, yesNo } from "./fields.ts";

export interface ContainersOptions {
  readonly title: string;
  readonly containers: readonly Container[];
  readonly statuses?: readonly ContainerStatus[] | undefined;
  /** "  " inside a template. */
  readonly space: string;
  /** The Pod that field references are looked up in. */
  readonly pod?: Pod | undefined;
}

export function writeContainers(
  document: Document,
  { title, containers, statuses, space, pod }: ContainersOptions,
): void {
  document.write(0, `${space}${title}:${containers.length === 0 ? " <none>" : ""}\n`);
  for (const container of containers) {
    const status = statuses?.find(({ name }) => name === container.name);
    writeBasics(document, container, status, space);
    writeWords(document, "Command", container.command);
    writeWords(document, "Args", container.args);
    if (status) writeState(document, status);
    writeResources(document, container);
    writeProbe(document, "Liveness", container.livenessProbe);
    writeProbe(document, "Readiness", container.readinessProbe);
    writeProbe(document, "Startup", container.startupProbe);
    writeEnvironment(document, container, pod);
    writeMounts(document, container);
  }
}

function writeBasics(
  document: Document,
  container: Container,
  status: ContainerStatus | undefined,
  space: string,
): void {
  document.write(1, `${space === "" ? "" : " "}${container.name}:\n`);
  if (status) document.write(2, `Container ID:\t${status.containerID ?? ""}\n`);
  document.write(2, `Image:\t${container.image ?? ""}\n`);
  if (status) document.write(2, `Image ID:\t${status.imageID ?? ""}\n`);
  const { ports = [] } = container;
  const shown = ports.map(({ containerPort, protocol = "TCP" }) => `${containerPort}/${protocol}`);
  const hostPorts = ports.map(({ hostPort = 0, protocol = "TCP" }) => `${hostPort}/${protocol}`);
  document.write(2, `${ports.length > 1 ? "Ports" : "Port"}:\t${orNone(shown.join(", "))}\n`);
  document.write(2, `${ports.length > 1 ? "Host Ports" : "Host Port"}:\t${orNone(hostPorts.join(", "))}\n`);
}

function writeWords(document: Document, title: string, words: readonly string[] = []): void {
  if (words.length === 0) return;
  document.write(2, `${title}:\n`);
  for (const word of words) for (const line of word.split("\n")) document.write(3, `${line}\n`);
}

function writeState(document: Document, status: ContainerStatus): void {
  writeOneState(document, "State", status.state);
  if (status.lastState?.terminated) writeOneState(document, "Last State", status.lastState);
  document.write(2, `Ready:\t${yesNo(status.ready)}\n`);
  document.write(2, `Restart Count:\t${status.restartCount}\n`);
}

function writeOneState(document: Document, title: string, state: ContainerState | undefined): void {
  const { running, terminated, waiting } = state ?? {};
  if (running) {
    document.write(2, `${title}:\tRunning\n`);
    document.write(3, `Started:\t${longTime(running.startedAt)}\n`);
  } else if (terminated) {
    document.write(2, `${title}:\tTerminated\n`);
    if (terminated.reason) document.write(3, `Reason:\t${terminated.reason}\n`);
    if (terminated.message) document.write(3, `Message:\t${terminated.message}\n`);
    document.write(3, `Exit Code:\t${terminated.exitCode}\n`);
    if ((terminated.signal ?? 0) > 0) document.write(3, `Signal:\t${terminated.signal}\n`);
    document.write(3, `Started:\t${longTime(terminated.startedAt)}\n`);
    document.write(3, `Finished:\t${longTime(terminated.finishedAt)}\n`);
  } else {
    document.write(2, `${title}:\tWaiting\n`);
    if (waiting?.reason) document.write(3, `Reason:\t${waiting.reason}\n`);
  }
}

function writeResources(document: Document, { resources }: Container): void {
  for (const [title, amounts] of [
    ["Limits", resources?.limits],
    ["Requests", resources?.requests],
  ] as const) {
    const names = Object.keys(amounts ?? {}).sort();
    if (names.length === 0) continue;
    document.write(2, `${title}:\n`);
    for (const name of names) document.write(3, `${name}:\t${canonicalQuantity(amounts![name]!)}\n`);
  }
}

function writeProbe(document: Document, title: string, probe: Probe | undefined): void {
  if (probe) document.write(2, `${title}:\t${probeText(probe)}\n`);
}

export function probeText(probe: Probe): string {
  const {
    initialDelaySeconds = 0,
    timeoutSeconds = 0,
    periodSeconds = 0,
    successThreshold = 0,
    failureThreshold = 0,
  } = probe;
  const timing = `delay=${initialDelaySeconds}s timeout=${timeoutSeconds}s period=${periodSeconds}s #success=${successThreshold} #failure=${failureThreshold}`;
  const { exec, httpGet, tcpSocket, grpc } = probe;
  if (exec) return `exec [${(exec.command ?? []).join(" ")}] ${timing}`;
  if (httpGet) {
    const { scheme = "HTTP", host = "", port, path = "" } = httpGet;
    return `http-get ${scheme.toLowerCase()}://${host}:${port}${path === "" || path.startsWith("/") ? path : `/${path}`} ${timing}`;
  }
  if (tcpSocket) return `tcp-socket ${tcpSocket.host ?? ""}:${tcpSocket.port} ${timing}`;
  if (grpc) return `grpc <pod>:${grpc.port} ${grpc.service ?? ""} ${timing}`;
  return `unknown ${timing}`;
}

function writeEnvironment(document: Document, container: Container, pod: Pod | undefined): void {
  const { envFrom = [], env = [] } = container;
  if (envFrom.length > 0) {
    document.write(2, "Environment Variables from:\n");
    for (const { configMapRef, secretRef, prefix } of envFrom) {
      const ref = configMapRef ?? secretRef;
      const kind = `${configMapRef ? "ConfigMap" : "Secret"}${prefix ? ` with prefix '${prefix}'` : ""}`;
      document.write(3, `${ref?.name ?? ""}\t${kind}\tOptional: ${ref?.optional === true}\n`);
    }
  }
  document.write(2, `Environment:${env.length === 0 ? "\t<none>" : ""}\n`);
  for (const one of env) {
    for (const [index, line] of variable(one, container, pod).split("\n").entries()) {
      document.write(3, index === 0 ? `${one.name}:\t${line}\n` : `\t${line}\n`);
    }
  }
}

type EnvVar = NonNullable<Container["env"]>[number];

function variable({ value = "", valueFrom }: EnvVar, container: Container, pod: Pod | undefined): string {
  if (!valueFrom) return value;
  const { fieldRef, resourceFieldRef, secretKeyRef, configMapKeyRef } = valueFrom;
  if (fieldRef) return `${fieldValue(pod, fieldRef.fieldPath)} (${fieldRef.apiVersion ?? "v1"}:${fieldRef.fieldPath})`;
  if (resourceFieldRef) {
    const value = pod ? resourceValue(container, resourceFieldRef.resource) : "";
    return `${value} (${resourceFieldRef.resource})`;
  }
  if (secretKeyRef) {
    return `<set to the key '${secretKeyRef.key}' in secret '${secretKeyRef.name}'>\tOptional: ${secretKeyRef.optional === true}`;
  }
  if (configMapKeyRef) {
    return `<set to the key '${configMapKeyRef.key}' of config map '${configMapKeyRef.name}'>\tOptional: ${configMapKeyRef.optional === true}`;
  }
  return "";
}

function fieldValue(pod: Pod | undefined, path: string): string {
  if (!pod) return "";
  const key = /^(metadata\.(?:labels|annotations))\['(.*)'\]$/.exec(path);
  const found = key
    ? compilePath(key[1]!)(pod).map((map) => (map as Record<string, unknown>)[key[2]!])
    : compilePath(path)(pod);
  return found.map(textOf).join(" ");
}

/** "limits.cpu" in whole cores, "requests.memory" in bytes: what the container sees. */
function resourceValue({ resources }: Container, resource: string): string {
  const [group, ...name] = resource.split(".");
  const amounts = group === "limits" ? resources?.limits : resources?.requests;
  const amount = amounts?.[name.join(".")];
  if (amount === undefined) return group === "limits" ? "node allocatable" : "0";
  return name[0] === "cpu" && String(amount).endsWith("m")
    ? String(Math.ceil(Number.parseInt(String(amount), 10) / 1000))
    : canonicalQuantity(amount);
}

function writeMounts(document: Document, { volumeMounts = [], volumeDevices = [] }: Container): void {
  document.write(2, `Mounts:${volumeMounts.length === 0 ? "\t<none>" : ""}\n`);
  const sorted = [...volumeMounts].sort((a, b) => (a.mountPath < b.mountPath ? -1 : 1));
  for (const { mountPath, name, readOnly, subPath } of sorted) {
    const flags = [readOnly ? "ro" : "rw", ...(subPath ? [`path=${JSON.stringify(subPath)}`] : [])];
    document.write(3, `${mountPath} from ${name} (${flags.join(",")})\n`);
  }
  if (volumeDevices.length === 0) return;
  document.write(2, "Devices:\n");
  for (const { devicePath, name } of volumeDevices) document.write(3, `${devicePath} from ${name}\n`);
}
