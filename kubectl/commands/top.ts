/** kubectl top: what nodes and Pods use of CPU and memory, from metrics.k8s.io. */
import { durationText } from "../../machinery/objects/duration.ts";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import {
  addQuantities,
  milliValue,
  parseQuantity,
  type Quantity,
  zeroQuantity,
} from "../../machinery/objects/quantity.ts";
import type { Cluster } from "../cluster.ts";
import { type CommandGroup, defineCommand, type Run } from "../command.ts";
import { CommandError, usageError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { columns } from "../output/columns.ts";

type Usage = Readonly<Record<string, string>>;

interface NodeMetrics {
  readonly metadata: { readonly name: string };
  readonly usage: Usage;
}

interface PodMetrics {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly containers: readonly { readonly name: string; readonly usage: Usage }[];
}

const shared = {
  "no-headers": { type: "boolean", help: "If present, print output without headers." },
  selector: { type: "string", short: "l", default: "", help: "Selector (label query) to filter on" },
  "sort-by": {
    type: "string",
    default: "",
    help: "If non-empty, sort the list using specified field. The field can be either 'cpu' or 'memory'.",
  },
  "use-protocol-buffers": {
    type: "boolean",
    default: true,
    help: "Enables using protocol-buffers to access Metrics API.",
  },
} as const satisfies FlagTable;

const nodeFlags = {
  ...shared,
  "show-capacity": {
    type: "boolean",
    help: "Print node resources based on Capacity instead of Allocatable(default) of the nodes.",
  },
} as const satisfies FlagTable;

const podFlags = {
  ...shared,
  "all-namespaces": {
    type: "boolean",
    short: "A",
    help: "If present, list the requested object(s) across all namespaces.",
  },
  containers: { type: "boolean", help: "If present, print usage of containers within a pod." },
  "field-selector": { type: "string", default: "", help: "Selector (field query) to filter on" },
  sum: { type: "boolean", help: "Print the sum of the resource usage" },
} as const satisfies FlagTable;

const METRICS = "/apis/metrics.k8s.io/v1beta1";
const RESOURCES = ["cpu", "memory"] as const;
const MEBIBYTE = 1024 * 1024;
/** From this age on a Pod without metrics is reported by name. */
const YOUNG_MS = 120_000;

const node = defineCommand({
  usage: "top node [NAME | -l label]",
  summary: "Display resource (CPU/memory) usage of nodes.",
  examples: ["kubectl top node", "kubectl top node NODE_NAME"],
  flags: nodeFlags,
  async run(run) {
    const { flags } = run;
    const name = nameOf(run, "node [NAME | -l label]");
    if (name !== "" && flags.selector !== "") throw new CommandError("only one of NAME or --selector can be provided");
    const cluster = await run.cluster();
    await checkServed(cluster);
    const found = await listOf<NodeMetrics>(cluster, `${METRICS}/nodes`, name, { labelSelector: flags.selector });
    if (found.length === 0) throw new CommandError("metrics not available yet");
    const nodes = await listOf<Node>(cluster, "/api/v1/nodes", name, { labelSelector: flags.selector });
    const whole = new Map(
      nodes.map(({ metadata, status }) => [
        metadata.name,
        (flags["show-capacity"] ? status?.capacity : status?.allocatable) ?? {},
      ]),
    );
    const rows = sorted(found, flags["sort-by"], ({ usage }) => usage, byName).map(({ metadata, usage }) => [
      metadata.name,
      ...RESOURCES.flatMap((resource) => [
        shown(resource, usage),
        ...percent(usage[resource], whole.get(metadata.name)?.[resource]),
      ]),
    ]);
    const silent = [...whole.keys()].filter((one) => !found.some(({ metadata }) => metadata.name === one)).sort();
    const missing = silent.map((one) => [one, ...Array<string>(4).fill("<unknown>")]);
    const header = ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"];
    run.out(lines([...(flags["no-headers"] ? [] : [header]), ...rows, ...missing]));
  },
});

const pod = defineCommand({
  usage: "top pod [NAME | -l label]",
  summary: "Display resource (CPU/memory) usage of pods.",
  examples: ["kubectl top pod", "kubectl top pod POD_NAME --containers", "kubectl top pod -l name=myLabel"],
  flags: podFlags,
  async run(run) {
    const { flags } = run;
    const name = nameOf(run, "pod [NAME | -l label]");
    if (name !== "" && (flags.selector !== "" || flags["field-selector"] !== ""))
      throw new CommandError("only one of NAME or selector can be provided");
    const cluster = await run.cluster();
    await checkServed(cluster);
    const within = flags["all-namespaces"] ? "" : `/namespaces/${encodeURIComponent(cluster.namespace)}`;
    const query = { labelSelector: flags.selector, fieldSelector: flags["field-selector"] };
    const found = await listOf<PodMetrics>(cluster, `${METRICS}${within}/pods`, name, query);
    if (found.length === 0) {
      await explainNothing(run, cluster, `/api/v1${within}/pods`, query);
      const where = flags["all-namespaces"]
        ? "No resources found"
        : `No resources found in ${cluster.namespace} namespace.`;
      run.err(`${where}\n`);
      return;
    }
    run.out(podTable(run, found));
  },
});

export const top: CommandGroup = {
  usage: "top",
  summary: "Display resource (CPU/memory) usage of nodes or pods.",
  commands: { node, pod },
  aliases: { nodes: "node", no: "node", pods: "pod", po: "pod" },
};

function nameOf({ args, flags, name }: Run<typeof shared>, usage: string): string {
  if (args.length > 1) throw usageError(name, usage);
  const by = flags["sort-by"];
  if (by !== "" && by !== "cpu" && by !== "memory") throw new CommandError("--sort-by accepts only cpu or memory");
  return args[0] ?? "";
}

async function checkServed(cluster: Cluster): Promise<void> {
  const { versions } = await cluster.discovery();
  if (!versions.includes("metrics.k8s.io/v1beta1")) throw new CommandError("Metrics API not available");
}

async function listOf<T>(
  cluster: Cluster,
  path: string,
  name: string,
  selectors: Readonly<Record<string, string>>,
): Promise<T[]> {
  if (name !== "") return [await cluster.request<T>({ method: "GET", path: `${path}/${encodeURIComponent(name)}` })];
  const query = Object.fromEntries(Object.entries(selectors).filter(([, text]) => text !== ""));
  const { items = [] } = await cluster.request<{ readonly items?: T[] }>({ method: "GET", path, query });
  return items;
}

/** Nothing measured is no error where there is nothing to measure. */
async function explainNothing(
  { clock }: Run<typeof podFlags>,
  cluster: Cluster,
  path: string,
  query: Readonly<Record<string, string>>,
): Promise<void> {
  const pods = await listOf<Pod>(cluster, path, "", query);
  if (pods.length === 0) return;
  for (const { metadata } of pods) {
    const age = clock.now() - Date.parse(metadata.creationTimestamp);
    if (age > YOUNG_MS)
      throw new CommandError(
        `Metrics not available for pod ${metadata.namespace}/${metadata.name}, age: ${durationText(age)}`,
      );
  }
  throw new CommandError("metrics not available yet");
}

function podTable({ flags }: Run<typeof podFlags>, found: readonly PodMetrics[]): string {
  const namespaced = flags["all-namespaces"];
  const by = flags["sort-by"];
  const place = (one: PodMetrics) => (namespaced ? [one.metadata.namespace] : []);
  const order = (a: PodMetrics, b: PodMetrics) =>
    (namespaced ? compare(a.metadata.namespace, b.metadata.namespace) : 0) || byName(a, b);
  const pods = sorted(found, by, (one) => totalOf(one), order);
  const rows = flags.containers
    ? pods.flatMap((one) =>
        sorted(
          one.containers,
          by,
          ({ usage }) => usage,
          (a, b) => compare(a.name, b.name),
        ).map(({ name, usage }) => [
          ...place(one),
          one.metadata.name,
          name,
          ...RESOURCES.map((resource) => shown(resource, usage)),
        ]),
      )
    : pods.map((one) => [
        ...place(one),
        one.metadata.name,
        ...RESOURCES.map((resource) => shown(resource, totalOf(one))),
      ]);
  const header = [
    ...(namespaced ? ["NAMESPACE"] : []),
    ...(flags.containers ? ["POD"] : []),
    "NAME",
    "CPU(cores)",
    "MEMORY(bytes)",
  ];
  const headed = flags["no-headers"] ? rows : [header, ...rows];
  if (!flags.sum) return lines(headed);
  // Without headers the real one counts fewer columns, so that its sum stands more to the left.
  const before = flags["no-headers"] ? 1 : header.length - 2;
  const total = found.map(totalOf).reduce(added, {});
  const empty = Array<string>(before).fill("");
  const sums = RESOURCES.map((resource) => shown(resource, total));
  return lines([...headed, [...empty, "________", "________"], [...empty, ...sums]]);
}

/** Every cell is padded, the last one too. */
const lines = (rows: readonly (readonly string[])[]): string => columns(rows.map((row) => [...row, ""]));

type Amounts = Readonly<Record<string, string | Quantity>>;

const quantityOf = (amount: string | Quantity | undefined): Quantity =>
  amount === undefined ? zeroQuantity : typeof amount === "string" ? parseQuantity(amount) : amount;

function totalOf({ containers }: PodMetrics): Amounts {
  return containers.map(({ usage }) => usage).reduce<Amounts>(added, {});
}

function added(sum: Amounts, more: Amounts): Amounts {
  return Object.fromEntries(
    RESOURCES.map((resource) => [resource, addQuantities(quantityOf(sum[resource]), quantityOf(more[resource]))]),
  );
}

const NANOS = { milli: 1_000_000n, unit: 1_000_000_000n };
const roundedUp = (value: bigint, by: bigint): number => Number((value + by - 1n) / by);
const millis = (amount: string | Quantity | undefined): number => roundedUp(quantityOf(amount).nanos, NANOS.milli);

function shown(resource: (typeof RESOURCES)[number], usage: Amounts): string {
  if (resource === "cpu") return `${millis(usage["cpu"])}m`;
  return `${Math.floor(roundedUp(quantityOf(usage["memory"]).nanos, NANOS.unit) / MEBIBYTE)}Mi`;
}

/** Nothing where the node does not say how much there is. */
function percent(used: string | undefined, whole: string | undefined): string[] {
  if (whole === undefined) return [];
  const most = milliValue(whole);
  return [`${most === 0 ? 0 : Math.trunc((milliValue(used) / most) * 100)}%`];
}

function sorted<T>(
  list: readonly T[],
  by: string,
  usageOf: (one: T) => Amounts,
  otherwise: (a: T, b: T) => number,
): T[] {
  if (by === "") return list.toSorted(otherwise);
  return list.toSorted((a, b) => millis(usageOf(b)[by]) - millis(usageOf(a)[by]) || otherwise(a, b));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byName = <T extends { readonly metadata: { readonly name: string } }>(a: T, b: T): number =>
  compare(a.metadata.name, b.metadata.name);
