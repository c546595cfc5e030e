/**
 * Generators of `kubectl create TYPE`: a line's arguments and flags to an object.
 *
 * A table; each row knows its own flags. Sending and printing is create.ts'.
 */

import { readdir, readFile, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { Run } from "../command.ts";
import { CommandError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import type { Generator } from "./create.ts";

const define = <const F extends FlagTable>(generator: Generator<F>): Generator => generator as unknown as Generator;

function nameOf({ args, dash }: Pick<Run<FlagTable>, "args" | "dash">): string {
  const names = args.slice(0, dash ?? args.length);
  if (names.length !== 1) throw new CommandError(`exactly one NAME is required, got ${names.length}`);
  return names[0]!;
}

const object = (apiVersion: string, kind: string, name: string, rest: Record<string, unknown>): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name },
  ...rest,
});

const dataFlags = {
  "from-literal": { type: "list", help: "Specify a key and literal value (i.e. mykey=somevalue)" },
  "from-file": { type: "list", help: "Key file can be specified using its file path" },
  "from-env-file": { type: "list", help: "Specify the path to a file to read lines of key=val pairs" },
} as const satisfies FlagTable;

/** Keys and values of the three kinds of sources. */
async function dataOf({ flags, io }: Run<typeof dataFlags>): Promise<Map<string, Buffer>> {
  const data = new Map<string, Buffer>();
  const add = (key: string, value: Buffer) => {
    if (data.has(key))
      throw new CommandError(`cannot add key ${JSON.stringify(key)}, another key by that name already exists`);
    data.set(key, value);
  };
  for (const literal of flags["from-literal"]) {
    const equals = literal.indexOf("=");
    if (equals < 1) throw new CommandError(`invalid literal source ${literal}, expected key=value`);
    add(literal.slice(0, equals), Buffer.from(literal.slice(equals + 1).replace(/^(['"])(.*)\1$/s, "$2")));
  }
  for (const source of flags["from-file"]) {
    const equals = source.indexOf("=");
    const path = resolve(io.cwd, source.slice(equals + 1));
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      throw new CommandError(
        `error reading ${source.slice(equals + 1)}: ${error.code === "ENOENT" ? "no such file or directory" : error.message}`,
      );
    });
    if (!found.isDirectory()) add(equals < 0 ? basename(path) : source.slice(0, equals), await readFile(path));
    else
      for (const name of (await readdir(path)).sort()) {
        if ((await stat(resolve(path, name))).isFile()) add(name, await readFile(resolve(path, name)));
      }
  }
  for (const file of flags["from-env-file"]) {
    for (const line of (await readFile(resolve(io.cwd, file), "utf8")).split("\n")) {
      const text = line.trim();
      if (text === "" || text.startsWith("#")) continue;
      const equals = text.indexOf("=");
      add(
        equals < 0 ? text : text.slice(0, equals),
        Buffer.from(equals < 0 ? (io.env[text] ?? "") : text.slice(equals + 1)),
      );
    }
  }
  return data;
}

/** Text where it is text, else base64: how a ConfigMap tells them apart. */
function configMapData(data: ReadonlyMap<string, Buffer>) {
  const isText = (value: Buffer) => Buffer.from(value.toString("utf8")).equals(value);
  const pick = (text: boolean) => [...data].filter(([, value]) => isText(value) === text);
  const texts = pick(true).map(([key, value]) => [key, value.toString("utf8")]);
  const bytes = pick(false).map(([key, value]) => [key, value.toString("base64")]);
  return {
    ...(texts.length > 0 ? { data: Object.fromEntries(texts) } : {}),
    ...(bytes.length > 0 ? { binaryData: Object.fromEntries(bytes) } : {}),
  };
}

function containersOf(images: readonly string[], command: readonly string[]) {
  return images.map((image) => ({
    image,
    name: image
      .replace(/[@:].*$/, "")
      .split("/")
      .at(-1)!
      .replace(/[^a-z0-9-]/gi, "-")
      .toLowerCase(),
    ...(command.length > 0 ? { command: [...command] } : {}),
    resources: {},
  }));
}

const commandAfterDash = ({ args, dash }: Run<FlagTable>) => (dash === undefined ? [] : args.slice(dash));

/** "80:8080" or "5678:5678/UDP"… as --tcp has it: port and target. */
function portOf(text: string) {
  const [port = "", target = port] = text.split(":");
  const number = Number(port);
  if (!/^\d+$/.test(port) || number < 1 || number > 65_535) throw new CommandError(`invalid port specified: ${text}`);
  const targetPort = /^\d+$/.test(target) ? Number(target) : target;
  return { name: text.replaceAll(":", "-"), port: number, protocol: "TCP", targetPort };
}

const serviceFlags = {
  tcp: { type: "list", help: "Port pairs can be specified as '<port>:<targetPort>'." },
  "node-port": { type: "number", help: "Port used to expose the service on each node in a cluster." },
  clusterip: {
    type: "string",
    default: "",
    help: "Assign your own ClusterIP or set to 'None' for a 'headless' service.",
  },
} as const satisfies FlagTable;

function service(run: Run<typeof serviceFlags>): KubeObject {
  const [type, name, ...more] = run.args;
  const types: Readonly<Record<string, string>> = {
    clusterip: "ClusterIP",
    nodeport: "NodePort",
    loadbalancer: "LoadBalancer",
  };
  if (type === undefined || !types[type])
    throw new CommandError(
      `unknown service type ${JSON.stringify(type ?? "")}: must be one of ${Object.keys(types).join(", ")}`,
    );
  if (name === undefined || more.length > 0)
    throw new CommandError(`exactly one NAME is required, got ${name === undefined ? 0 : more.length + 1}`);
  const { tcp, clusterip, "node-port": nodePort } = run.flags;
  const ports = tcp.flatMap((text) => text.split(",")).map(portOf);
  if (ports.length === 0 && clusterip !== "None")
    throw new CommandError("at least one tcp port specifier must be provided");
  const numbered = ports.map((port) => (nodePort === undefined ? port : { ...port, nodePort }));
  const made = object("v1", "Service", name, {
    spec: {
      ...(clusterip === "" ? {} : { clusterIP: clusterip }),
      ports: numbered,
      selector: { app: name },
      type: types[type],
    },
    status: { loadBalancer: {} },
  });
  return { ...made, metadata: { labels: { app: name }, name } };
}

const image = { type: "list", help: "Image names to run." } as const;

export const generators: Readonly<Record<string, Generator>> = {
  namespace: define({
    usage: "create namespace NAME [--dry-run=server|client|none] [options]",
    summary: "Create a namespace with the specified name.",
    flags: {},
    make: (run) => object("v1", "Namespace", nameOf(run), { spec: {}, status: {} }),
  }),
  configmap: define({
    usage: "create configmap NAME [--from-file=[key=]source] [--from-literal=key1=value1] [options]",
    summary: "Create a config map based on a file, directory, or specified literal value.",
    flags: dataFlags,
    make: async (run) => object("v1", "ConfigMap", nameOf(run), configMapData(await dataOf(run))),
  }),
  secret: define({
    usage:
      "create secret generic NAME [--type=string] [--from-file=[key=]source] [--from-literal=key1=value1] [options]",
    summary: "Create a secret from a local file, directory, or literal value.",
    flags: { ...dataFlags, type: { type: "string", default: "", help: "The type of secret to create" } },
    make: async (run) => {
      const [form, ...names] = run.args;
      if (form !== "generic")
        throw new CommandError(`unknown secret form ${JSON.stringify(form ?? "")}: only "generic" is built`);
      const data = [...(await dataOf(run))].map(([key, value]) => [key, value.toString("base64")]);
      const { type } = run.flags;
      return object("v1", "Secret", nameOf({ args: names, dash: undefined }), {
        ...(data.length > 0 ? { data: Object.fromEntries(data) } : {}),
        ...(type === "" ? {} : { type }),
      });
    },
  }),
  serviceaccount: define({
    usage: "create serviceaccount NAME [--dry-run=server|client|none] [options]",
    summary: "Create a service account with the specified name.",
    flags: {},
    make: (run) => object("v1", "ServiceAccount", nameOf(run), {}),
  }),
  service: define({
    usage: "create service clusterip|nodeport|loadbalancer NAME [--tcp=<port>:<targetPort>] [options]",
    summary: "Create a service using a specified subcommand.",
    flags: serviceFlags,
    make: service,
  }),
  deployment: define({
    usage: "create deployment NAME --image=image -- [COMMAND] [args...] [options]",
    summary: "Create a deployment with the specified name.",
    flags: {
      image,
      replicas: { type: "number", short: "r", default: 1, help: "Number of replicas to create. Default is 1." },
      port: { type: "number", help: "The containerPort that this deployment exposes." },
    },
    make: (run) => {
      const name = nameOf(run);
      const images = run.flags.image.flatMap((text) => text.split(","));
      if (images.length === 0) throw new CommandError('required flag(s) "image" not set');
      const { port, replicas } = run.flags;
      const containers = containersOf(images, commandAfterDash(run as never)).map((container) =>
        port === undefined ? container : { ...container, ports: [{ containerPort: port }] },
      );
      const labels = { app: name };
      const spec = {
        replicas,
        selector: { matchLabels: labels },
        strategy: {},
        template: { metadata: { labels }, spec: { containers } },
      };
      return { apiVersion: "apps/v1", kind: "Deployment", metadata: { labels, name }, spec, status: {} };
    },
  }),
  job: define({
    usage: "create job NAME --image=image [--from=cronjob/name] -- [COMMAND] [args...] [options]",
    summary: "Create a job with the specified name.",
    flags: {
      image: { type: "string", default: "", help: "Image name to run." },
      from: {
        type: "string",
        default: "",
        help: "The name of the resource to create a Job from (only cronjob is supported).",
      },
    },
    make: async (run) => {
      const name = nameOf(run);
      const { image: single, from } = run.flags;
      if (from !== "") return jobFrom(run as never, name, from);
      if (single === "") throw new CommandError("either --image or --from must be specified");
      const [container] = containersOf([single], commandAfterDash(run as never));
      const spec = { containers: [{ ...container, name }], restartPolicy: "Never" };
      return object("batch/v1", "Job", name, { spec: { template: { metadata: {}, spec } }, status: {} });
    },
  }),
};

async function jobFrom(run: Run<FlagTable>, name: string, from: string): Promise<KubeObject> {
  const [type, source] = from.split("/");
  if (!["cronjob", "cronjobs", "cj", "cronjob.batch", "cronjobs.batch"].includes(type ?? "") || !source) {
    throw new CommandError("from must be an existing cronjob");
  }
  const cluster = await run.cluster();
  const { resolveType, resourcePath } = await import("../discovery.ts");
  const path = resourcePath(resolveType(await cluster.discovery(), "cronjobs"), cluster.namespace, source);
  const cronJob = await cluster.request<KubeObject>({ method: "GET", path });
  const template = (cronJob["spec"] as { jobTemplate: { metadata?: KubeObject["metadata"]; spec: unknown } })
    .jobTemplate;
  const { uid = "", name: owner = "" } = cronJob.metadata;
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name,
      annotations: { "cronjob.kubernetes.io/instantiate": "manual", ...template.metadata?.annotations },
      labels: { ...template.metadata?.labels },
      ownerReferences: [{ apiVersion: "batch/v1", kind: "CronJob", name: owner, uid, controller: true }],
    },
    spec: template.spec,
  };
}
