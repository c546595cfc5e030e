/** The Pod that `kubectl run` makes of its line, and the Service beside it. Nothing is sent here. */
import { parseJson } from "../machinery/objects/json.ts";
import { applyJsonPatch, type PatchOperation } from "../machinery/objects/json-patch.ts";
import { applyMergePatch } from "../machinery/objects/merge-patch.ts";
import type { KubeObject } from "../machinery/objects/wire.ts";
import type { Cluster } from "./cluster.ts";
import { resolveType } from "./discovery.ts";
import { CommandError } from "./errors.ts";
import { applyStrategic } from "./merge/apply-strategic.ts";
import { isMap, type Json } from "./merge/values.ts";
import { schemaOf } from "./openapi.ts";

export interface PodLine {
  readonly args: readonly string[];
  readonly dash: number | undefined;
  readonly flags: {
    readonly annotations: readonly string[];
    readonly command: boolean;
    readonly env: readonly string[];
    readonly image: string | undefined;
    readonly "image-pull-policy": string;
    readonly labels: string;
    readonly "leave-stdin-open": boolean;
    readonly overrides: string;
    readonly "override-type": string;
    readonly port: string;
    readonly privileged: boolean;
    readonly restart: string;
    readonly stdin: boolean;
    readonly tty: boolean;
  };
}

export async function podOfLine(line: PodLine, cluster: Cluster): Promise<KubeObject> {
  const { flags, args } = line;
  const [name = ""] = args;
  const annotations = pairsOf(
    flags.annotations.flatMap((one) => one.split(",")),
    "annotations",
  );
  const pod: KubeObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      labels: labelsOf(line),
      name,
      namespace: cluster.namespace,
    },
    spec: {
      containers: [containerOf(line, name)],
      dnsPolicy: "ClusterFirst",
      restartPolicy: flags.restart || "Always",
    },
    status: {},
  };
  return flags.overrides === "" ? pod : overridden(pod, line, cluster);
}

function containerOf({ flags, args }: PodLine, name: string) {
  const words = args.slice(1);
  return {
    ...(words.length > 0 ? { [flags.command ? "command" : "args"]: words } : {}),
    ...(flags.env.length > 0 ? { env: envOf(flags.env) } : {}),
    image: flags.image,
    ...(flags["image-pull-policy"] === "" ? {} : { imagePullPolicy: flags["image-pull-policy"] }),
    name,
    ...(flags.port === "" ? {} : { ports: [{ containerPort: portOf(flags.port) }] }),
    resources: {},
    ...(flags.privileged ? { securityContext: { privileged: true } } : {}),
    ...(flags.stdin ? { stdin: true, ...(flags["leave-stdin-open"] ? {} : { stdinOnce: true }) } : {}),
    ...(flags.tty ? { tty: true } : {}),
  };
}

export function envOf(pairs: readonly string[]): readonly { readonly name: string; readonly value: string }[] {
  return pairs.map((pair) => {
    const equals = pair.indexOf("=");
    const name = pair.slice(0, equals);
    if (equals < 1 || !/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name)) throw new CommandError(`invalid env: ${pair}`);
    return { name, value: pair.slice(equals + 1) };
  });
}

function portOf(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw new CommandError(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

function labelsOf({ flags: { labels }, args: [name = ""] }: PodLine): Record<string, string> {
  if (labels === "") return { run: name };
  return Object.fromEntries(
    labels.split(",").map((pair) => {
      const [key = "", value, ...more] = pair.split("=");
      if (value === undefined || more.length > 0) throw new CommandError(`unexpected label spec: ${pair}`);
      return [key, value];
    }),
  );
}

function pairsOf(pairs: readonly string[], what: string): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const equals = pair.indexOf("=");
      if (equals < 1) throw new CommandError(`invalid ${what} format: ${pair}`);
      return [pair.slice(0, equals), pair.slice(equals + 1)];
    }),
  );
}

export function serviceOfLine(line: PodLine, namespace: string): KubeObject {
  const port = portOf(line.flags.port);
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: line.args[0] ?? "", namespace },
    spec: { ports: [{ port, protocol: "TCP", targetPort: port }], selector: labelsOf(line) },
    status: { loadBalancer: {} },
  };
}

async function overridden(pod: KubeObject, { flags }: PodLine, cluster: Cluster): Promise<KubeObject> {
  const type = flags["override-type"];
  const patch = parsed(flags.overrides);
  if (type === "merge") return applyMergePatch(pod, patch) as KubeObject;
  if (type === "json") return applyJsonPatch(pod, patch as PatchOperation[]) as KubeObject;
  if (type !== "strategic") throw new CommandError(`invalid override type: ${type}`);
  const schema = await schemaOf(cluster, resolveType(await cluster.discovery(), "pods"));
  if (!schema || !isMap(patch)) throw new CommandError("the server describes no Pods: they cannot be merged");
  return applyStrategic(pod as unknown as Json, patch, schema) as unknown as KubeObject;
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    throw new CommandError("Invalid JSON Patch");
  }
}
