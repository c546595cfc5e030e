/** describe node: what it is, how it feels, what runs on it and what that asks for. */
import type { Lease, Node, NodeCondition, Pod } from "../../machinery/objects/kinds.ts";
import {
  addQuantities,
  canonicalQuantity,
  formatQuantity,
  milliValue,
  parseQuantity,
  type Quantity,
  zeroQuantity,
} from "../../machinery/objects/quantity.ts";
import { resolveType, resourcePath } from "../discovery.ts";
import { type DescribeContext, type Describer, related } from "./describer.ts";
import type { Document } from "./document.ts";
import { writeEvents } from "./events.ts";
import { ago, longTime, orNone, writeAnnotations, writeLabels } from "./fields.ts";

const ROLE = "node-role.kubernetes.io/";

export const describeNode: Describer = async (object, document, context) => {
  const node = object as unknown as Node;
  const { metadata, spec, status } = node;
  const roles = Object.keys(metadata.labels ?? {}).flatMap((key) =>
    key.startsWith(ROLE) ? [key.slice(ROLE.length)] : [],
  );
  document.write(0, `Name:\t${metadata.name}\n`);
  document.write(0, `Roles:\t${orNone(roles.sort().join(","))}\n`);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  document.write(0, `CreationTimestamp:\t${longTime(metadata.creationTimestamp)}\n`);
  const taints = (spec?.taints ?? []).map(({ key, value, effect }) => `${key}${value ? `=${value}` : ""}:${effect}`);
  document.write(0, `Taints:\t${orNone(taints.join("\n\t"))}\n`);
  document.write(0, `Unschedulable:\t${spec?.unschedulable === true}\n`);
  await writeLease(node, document, context);
  writeNodeConditions(document, (status?.conditions ?? []) as NodeCondition[]);
  document.write(0, "Addresses:\n");
  for (const { type, address } of status?.addresses ?? []) document.write(1, `${type}:\t${address}\n`);
  writeAmounts(document, "Capacity", status?.capacity);
  writeAmounts(document, "Allocatable", status?.allocatable);
  writeSystem(document, node);
  await writePods(node, document, context);
  await writeEvents(object, document, context);
};

async function writeLease({ metadata }: Node, document: Document, { cluster }: DescribeContext): Promise<void> {
  try {
    const type = resolveType(await cluster.discovery(), "leases");
    const lease = await cluster.request<Lease>({
      method: "GET",
      path: resourcePath(type, "kube-node-lease", metadata.name),
    });
    document.write(0, "Lease:\n");
    document.write(1, `HolderIdentity:\t${lease.spec?.holderIdentity ?? "<unset>"}\n`);
    document.write(1, `AcquireTime:\t${longTime(lease.spec?.acquireTime)}\n`);
    document.write(1, `RenewTime:\t${longTime(lease.spec?.renewTime)}\n`);
  } catch (error) {
    document.write(0, `Lease:\tFailed to get lease: ${(error as Error).message}\n`);
  }
}

function writeNodeConditions(document: Document, conditions: readonly NodeCondition[]): void {
  if (conditions.length === 0) return;
  document.write(0, "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n");
  document.write(1, "----\t------\t-----------------\t------------------\t------\t-------\n");
  for (const { type, status, lastHeartbeatTime, lastTransitionTime, reason = "", message = "" } of conditions) {
    document.write(
      1,
      `${type} \t${status} \t${longTime(lastHeartbeatTime)} \t${longTime(lastTransitionTime)} \t${reason} \t${message}\n`,
    );
  }
}

type Amounts = Readonly<Record<string, string>>;

function writeAmounts(document: Document, title: string, amounts: Amounts | undefined): void {
  if (!amounts || Object.keys(amounts).length === 0) return;
  document.write(0, `${title}:\n`);
  for (const name of Object.keys(amounts).sort()) document.write(1, `${name}:\t${canonicalQuantity(amounts[name]!)}\n`);
}

function writeSystem(document: Document, { spec, status }: Node): void {
  const info = status?.nodeInfo;
  const rows: readonly [string, string | undefined][] = [
    ["Machine ID", info?.machineID],
    ["System UUID", info?.systemUUID],
    ["Boot ID", info?.bootID],
    ["Kernel Version", info?.kernelVersion],
    ["OS Image", info?.osImage],
    ["Operating System", info?.operatingSystem],
    ["Architecture", info?.architecture],
    ["Container Runtime Version", info?.containerRuntimeVersion],
    ["Kubelet Version", info?.kubeletVersion],
    ["Kube-Proxy Version", info?.kubeProxyVersion],
  ];
  document.write(0, "System Info:\n");
  for (const [title, value = ""] of rows) document.write(1, `${title}:\t${value}\n`);
  if (spec?.podCIDR) document.write(0, `PodCIDR:\t${spec.podCIDR}\n`);
  if (spec?.podCIDRs?.length) document.write(0, `PodCIDRs:\t${spec.podCIDRs.join(",")}\n`);
  if (spec?.providerID) document.write(0, `ProviderID:\t${spec.providerID}\n`);
}

const SHOWN = ["cpu", "memory", "ephemeral-storage"] as const;
type Kind = "requests" | "limits";

/** What a Pod asks for: its containers together, or its greediest init container. */
function podAmount({ spec }: Pod, kind: Kind, name: string): Quantity {
  const of = (list: readonly { resources?: { requests?: Amounts; limits?: Amounts } }[]) =>
    list.map(({ resources }) => parseQuantity(resources?.[kind]?.[name] ?? "0"));
  const together = of((spec?.containers ?? []) as never).reduce(addQuantities, zeroQuantity);
  const greediest = of((spec?.initContainers ?? []) as never).reduce(
    (a, b) => (a.nanos > b.nanos ? a : b),
    zeroQuantity,
  );
  return greediest.nanos > together.nanos ? greediest : together;
}

async function writePods({ metadata, status }: Node, document: Document, context: DescribeContext): Promise<void> {
  const fieldSelector = `spec.nodeName=${metadata.name},status.phase!=Succeeded,status.phase!=Failed`;
  const pods = await related<Pod>(context, "pods", undefined, { fieldSelector });
  const allocatable = (status?.allocatable ?? {}) as Amounts;
  const share = (amount: Quantity, name: string) => {
    const whole = milliValue(allocatable[name] ?? "0");
    const percent = whole === 0 ? 0 : Math.trunc((Number(amount.nanos / 1_000_000n) * 100) / whole);
    return `${formatQuantity(amount)} (${percent}%)`;
  };
  document.write(0, `Non-terminated Pods:\t(${pods.length} in total)\n`);
  document.write(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge\n");
  document.write(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---\n");
  for (const pod of pods) {
    const cells = (["cpu", "memory"] as const).flatMap((name) =>
      (["requests", "limits"] as const).map((kind) => share(podAmount(pod, kind, name), name)),
    );
    const { namespace = "", name, creationTimestamp } = pod.metadata;
    document.write(1, `${namespace}\t${name}\t\t${cells.join("\t")}\t${ago(creationTimestamp, context.now)}\n`);
  }
  document.write(0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n");
  document.write(1, "Resource\tRequests\tLimits\n");
  document.write(1, "--------\t--------\t------\n");
  const others = Object.keys(allocatable)
    .filter((name) => name.startsWith("hugepages-"))
    .sort();
  for (const name of [...SHOWN, ...others]) {
    const total = (kind: Kind) => pods.map((pod) => podAmount(pod, kind, name)).reduce(addQuantities, zeroQuantity);
    document.write(1, `${name}\t${share(total("requests"), name)}\t${share(total("limits"), name)}\n`);
  }
}
