import { describe, expect, it } from "vitest";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { machineRefusal } from "./machine-admission.ts";
import { refusal, resizeRefusal, takenBy } from "./node-admission.ts";
import { aPod, container } from "./pod.fixture.ts";

const aNode = (extra: Partial<Node> = {}): Node =>
  ({
    metadata: { name: "node-1", uid: "n", labels: { disk: "ssd", "kubernetes.io/os": "linux" } },
    spec: {},
    status: { allocatable: { cpu: "2", memory: "4Gi", "ephemeral-storage": "10Gi", pods: "3" } },
    ...extra,
  }) as Node;
type Spec = Partial<NonNullable<Pod["spec"]>>;
const asking = (requests: Record<string, string>, spec: Spec = {}) =>
  aPod({ containers: [container("main", { resources: { requests } })], ...spec });
const onPort = (hostPort: number, hostIP?: string) =>
  aPod({ containers: [container("main", { ports: [{ containerPort: 1, hostPort, ...(hostIP ? { hostIP } : {}) }] })] });
const required = (key: string) => ({
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key, operator: "Exists" }] }],
    },
  },
});

describe("a Pod that the node does not take", () => {
  const small = asking({ cpu: "500m", memory: "1Gi" });
  const tainted = aNode({ spec: { taints: [{ key: "gone", effect: "NoExecute" }] } });
  const cases: readonly [string, Pod, readonly Pod[], Node, string | undefined][] = [
    ["fits", asking({ cpu: "1500m" }), [small], aNode(), undefined],
    [
      "asks for too much cpu",
      asking({ cpu: "1600m", memory: "9Gi" }),
      [small],
      aNode(),
      "OutOfcpu: Node didn't have enough resource: cpu, requested: 1600, used: 500, capacity: 2000",
    ],
    [
      "asks for too much memory",
      asking({ memory: "3500Mi" }),
      [small],
      aNode(),
      "OutOfmemory: Node didn't have enough resource: memory, requested: 3670016000, used: 1073741824, capacity: 4294967296",
    ],
    [
      "asks for too much disk",
      asking({ "ephemeral-storage": "11Gi" }),
      [],
      aNode(),
      "OutOfephemeral-storage: Node didn't have enough resource: ephemeral-storage, requested: 11811160064, used: 0, capacity: 10737418240",
    ],
    [
      "is one too many",
      asking({}),
      [small, small, small],
      aNode(),
      "OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
    ],
    ["asks for what this node does not count", asking({ "example.com/gpu": "1" }), [], aNode(), undefined],
    [
      "selects other nodes",
      asking({}, { nodeSelector: { disk: "hdd" } }),
      [],
      aNode(),
      "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    ],
    [
      "requires a label that is missing",
      asking({}, { affinity: required("zone") }),
      [],
      aNode(),
      "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    ],
    ["requires a label that is there", asking({}, { affinity: required("disk") }), [], aNode(), undefined],
    [
      "is another node's",
      asking({}, { nodeName: "node-2" }),
      [],
      aNode(),
      "NodeName: Predicate NodeName failed: node(s) didn't match the requested node name",
    ],
    [
      "needs a taken port",
      onPort(80),
      [onPort(80, "10.0.0.1")],
      aNode(),
      "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    ],
    ["needs the port on another address", onPort(80, "10.0.0.2"), [onPort(80, "10.0.0.1")], aNode(), undefined],
    [
      "does not tolerate NoExecute",
      asking({}),
      [],
      tainted,
      "TaintToleration: Predicate TaintToleration failed: node(s) had untolerated taint(s)",
    ],
    ["tolerates it", asking({}, { tolerations: [{ operator: "Exists" }] }), [], tainted, undefined],
    [
      "is not tolerated by NoSchedule alone",
      asking({}),
      [],
      aNode({ spec: { taints: [{ key: "full", effect: "NoSchedule" }] } }),
      undefined,
    ],
    [
      "is for Windows",
      asking({}, { os: { name: "windows" } }),
      [],
      aNode(),
      "PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS",
    ],
    [
      "wants its groups alone",
      asking({}, { securityContext: { supplementalGroupsPolicy: "Strict" } }),
      [],
      aNode(),
      "SupplementalGroupsPolicyNotSupported: SupplementalGroupsPolicy=Strict is not supported in this node",
    ],
  ];
  it.each(cases)("%s", (_name, pod, others, node, expected) => {
    const found = refusal(pod, others.map(takenBy), node);
    expect(found && `${found.reason}: ${found.message}`).toBe(expected);
  });
});

describe("a resize", () => {
  const others = [asking({ cpu: "1", memory: "1Gi" })].map(takenBy);
  const cases: readonly [string, Record<string, string>, string | undefined][] = [
    ["that fits", { cpu: "1" }, undefined],
    [
      "that must wait",
      { cpu: "1500m" },
      "Deferred: Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
    ],
    [
      "that never fits",
      { cpu: "3", memory: "5Gi" },
      "Infeasible: Node didn't have enough capacity: memory, requested: 5368709120, capacity: 4294967296",
    ],
  ];
  it.each(cases)("%s", (_name, requests, expected) => {
    const found = resizeRefusal(asking(requests), others, aNode());
    expect(found && `${found.reason}: ${found.message}`).toBe(expected);
  });
});

describe("a Pod that the machine cannot serve", () => {
  const sysctls = (name: string, spec: Spec = {}) =>
    aPod({ securityContext: { sysctls: [{ name, value: "1" }] }, ...spec });
  const profile = (type: string) => aPod({ securityContext: { appArmorProfile: { type } } });
  const rules = { allowedUnsafeSysctls: ["net.core.*", "kernel.msgmax"], appArmor: false };
  const cases: readonly [string, Pod, string | undefined][] = [
    ["a safe sysctl", sysctls("net.ipv4.tcp_syncookies"), undefined],
    ["a safe one, with slashes", sysctls("net/ipv4/tcp_syncookies"), undefined],
    ["one that is allowed", sysctls("net.core.somaxconn"), undefined],
    ["one that is not", sysctls("kernel.sem"), 'SysctlForbidden: forbidden sysctl: "kernel.sem" not allowlisted'],
    [
      "one of the host's network",
      sysctls("net.core.somaxconn", { hostNetwork: true }),
      'SysctlForbidden: forbidden sysctl: "net.core.somaxconn" not allowed with host net enabled',
    ],
    [
      "one of the host's IPC",
      sysctls("kernel.msgmax", { hostIPC: true }),
      'SysctlForbidden: forbidden sysctl: "kernel.msgmax" not allowed with host ipc enabled',
    ],
    [
      "an AppArmor profile",
      profile("RuntimeDefault"),
      "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host",
    ],
    ["no AppArmor profile", profile("Unconfined"), undefined],
  ];
  it.each(cases)("%s", (_name, pod, expected) => {
    const found = machineRefusal(pod, rules);
    expect(found && `${found.reason}: ${found.message}`).toBe(expected);
  });
  it("finds AppArmor where it is", () => {
    expect(machineRefusal(profile("RuntimeDefault"), { ...rules, appArmor: true })).toBeUndefined();
  });
});
