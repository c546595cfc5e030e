import { describe, expect, test } from "vitest";
import type { StoredObject } from "../../../machinery/objects/wire.ts";
import { eventsStoredAs } from "../event.ts";
import { builtinResources } from "../table.ts";

type Loose = Record<string, unknown>;

const NOW = Date.parse("2026-01-01T01:00:00Z");
const CREATED = "2026-01-01T00:00:00Z";
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

/** Heading ► cell. */
function shown(plural: string, body: Loose): Record<string, unknown> {
  const row = builtinResources.find((one) => one.plural === plural)!;
  const metadata = { name: "web", namespace: "default", creationTimestamp: CREATED, ...(body["metadata"] as object) };
  const cells = row.columns.cells({ ...body, metadata } as unknown as StoredObject, NOW);
  return Object.fromEntries(row.columns.columns.map(({ name }, index) => [name, cells[index]]));
}

const pod = (status: Loose, spec: Loose = {}, metadata: Loose = {}): Loose => ({
  spec: { containers: [{ name: "a" }, { name: "b" }], ...spec },
  status,
  metadata,
});
const running = (name: string, more: Loose = {}): Loose => ({
  name,
  ready: true,
  restartCount: 0,
  state: { running: {} },
  ...more,
});
const ended = (name: string, terminated: Loose, more: Loose = {}): Loose => ({
  name,
  ready: false,
  restartCount: 0,
  state: { terminated },
  ...more,
});
const waiting = (name: string, reason: string, more: Loose = {}): Loose => ({
  name,
  ready: false,
  restartCount: 0,
  state: { waiting: { reason } },
  ...more,
});
const ready = [{ type: "Ready", status: "True" }];

const podCases: readonly (readonly [string, Loose, Loose])[] = [
  ["waits for a node", pod({ phase: "Pending" }), { Ready: "0/2", Status: "Pending", Restarts: "0", Age: "60m" }],
  [
    "waits behind a gate",
    pod({ phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }] }),
    { Status: "SchedulingGated" },
  ],
  [
    "is being made",
    pod({
      phase: "Pending",
      containerStatuses: [waiting("a", "ContainerCreating"), waiting("b", "ContainerCreating")],
    }),
    { Status: "ContainerCreating" },
  ],
  [
    "runs",
    pod({ phase: "Running", containerStatuses: [running("a"), running("b")] }),
    { Ready: "2/2", Status: "Running" },
  ],
  [
    "cannot get its image",
    pod({ phase: "Pending", containerStatuses: [waiting("a", "ImagePullBackOff"), running("b")] }),
    { Ready: "1/2", Status: "ImagePullBackOff" },
  ],
  [
    "crashes again and again",
    pod({
      phase: "Running",
      containerStatuses: [
        waiting("a", "CrashLoopBackOff", { restartCount: 3, lastState: { terminated: { finishedAt: ago(5) } } }),
      ],
    }),
    { Status: "CrashLoopBackOff", Restarts: "3 (5s ago)" },
  ],
  [
    "is done",
    pod({ phase: "Succeeded", containerStatuses: [ended("a", { reason: "Completed", exitCode: 0 })] }),
    { Status: "Completed" },
  ],
  [
    "is half done",
    pod({
      phase: "Running",
      conditions: ready,
      containerStatuses: [ended("a", { reason: "Completed", exitCode: 0 }), running("b")],
    }),
    { Ready: "1/2", Status: "Running" },
  ],
  [
    "is half done and not ready",
    pod({ phase: "Running", containerStatuses: [ended("a", { reason: "Completed", exitCode: 0 }), running("b")] }),
    { Status: "NotReady" },
  ],
  [
    "failed without a reason",
    pod({ phase: "Failed", containerStatuses: [ended("a", { exitCode: 7 })] }),
    { Status: "ExitCode:7" },
  ],
  [
    "was killed by a signal",
    pod({ phase: "Failed", containerStatuses: [ended("a", { exitCode: 137, signal: 9 })] }),
    { Status: "Signal:9" },
  ],
  ["was evicted", pod({ phase: "Failed", reason: "Evicted" }), { Status: "Evicted" }],
  [
    "goes away",
    pod({ phase: "Running", containerStatuses: [running("a")] }, {}, { deletionTimestamp: CREATED }),
    { Status: "Terminating" },
  ],
  [
    "is lost with its node",
    pod({ phase: "Running", reason: "NodeLost" }, {}, { deletionTimestamp: CREATED }),
    { Status: "Unknown" },
  ],
  [
    "initializes",
    pod(
      {
        phase: "Pending",
        initContainerStatuses: [ended("i", { exitCode: 0 }), running("j", { ready: false })],
        containerStatuses: [waiting("a", "PodInitializing")],
      },
      { initContainers: [{ name: "i" }, { name: "j" }] },
    ),
    { Status: "Init:1/2", Ready: "0/2" },
  ],
  [
    "fails to initialize",
    pod(
      { phase: "Pending", initContainerStatuses: [ended("i", { exitCode: 1, reason: "Error" }, { restartCount: 2 })] },
      { initContainers: [{ name: "i" }] },
    ),
    { Status: "Init:Error", Restarts: "2" },
  ],
  [
    "initializes slowly",
    pod(
      { phase: "Pending", initContainerStatuses: [waiting("i", "CrashLoopBackOff")] },
      { initContainers: [{ name: "i" }] },
    ),
    { Status: "Init:CrashLoopBackOff" },
  ],
  [
    "has a sidecar",
    pod(
      {
        phase: "Running",
        initContainerStatuses: [running("s", { started: true })],
        containerStatuses: [running("a"), running("b")],
      },
      { initContainers: [{ name: "s", restartPolicy: "Always" }] },
    ),
    { Ready: "3/3", Status: "Running" },
  ],
  [
    "is shown wide",
    pod(
      { phase: "Running", podIPs: [{ ip: "10.42.0.5" }], conditions: [{ type: "g", status: "True" }] },
      { nodeName: "n1", readinessGates: [{ conditionType: "g" }, { conditionType: "h" }] },
    ),
    { IP: "10.42.0.5", Node: "n1", "Nominated Node": "<none>", "Readiness Gates": "1/2" },
  ],
];

describe("a Pod's columns when it", () => {
  test.each(podCases)("%s", (_what, body, wanted) => {
    expect(shown("pods", body)).toMatchObject(wanted);
  });
});

const template = {
  spec: {
    containers: [
      { name: "a", image: "x:1" },
      { name: "b", image: "y:2" },
    ],
  },
};
const selector = { matchLabels: { app: "web" } };

const cases: readonly (readonly [string, Loose, Loose])[] = [
  [
    "deployments",
    {
      spec: { replicas: 3, template, selector },
      status: { readyReplicas: 2, updatedReplicas: 1, availableReplicas: 2 },
    },
    { Ready: "2/3", "Up-to-date": 1, Available: 2, Containers: "a,b", Images: "x:1,y:2", Selector: "app=web" },
  ],
  [
    "replicasets",
    { spec: { replicas: 3, template, selector }, status: { replicas: 2 } },
    { Desired: 3, Current: 2, Ready: 0 },
  ],
  [
    "jobs",
    { spec: { completions: 3, template }, status: { succeeded: 1, startTime: CREATED } },
    { Status: "Running", Completions: "1/3", Duration: "60m" },
  ],
  [
    "jobs",
    {
      spec: { parallelism: 2, template },
      status: {
        conditions: [{ type: "Failed", status: "True" }],
        startTime: CREATED,
        completionTime: "2026-01-01T00:00:09Z",
      },
    },
    { Status: "Failed", Completions: "0/1 of 2", Duration: "9s" },
  ],
  [
    "jobs",
    { spec: { completions: 1, suspend: true }, status: { conditions: [{ type: "Suspended", status: "True" }] } },
    { Status: "Suspended", Duration: "" },
  ],
  [
    "cronjobs",
    {
      spec: { schedule: "@daily", suspend: false, jobTemplate: {} },
      status: { lastScheduleTime: ago(60), active: [{}] },
    },
    { Schedule: "@daily", Timezone: "<none>", Suspend: "False", Active: 1, "Last Schedule": "60s" },
  ],
  [
    "services",
    {
      spec: {
        type: "NodePort",
        clusterIPs: ["10.43.0.1"],
        ports: [
          { port: 80, nodePort: 30080, protocol: "TCP" },
          { port: 53, protocol: "UDP" },
        ],
        selector: { b: "2", a: "1" },
      },
    },
    { "Cluster-IP": "10.43.0.1", "External-IP": "<none>", "Port(s)": "80:30080/TCP,53/UDP", Selector: "a=1,b=2" },
  ],
  ["services", { spec: { type: "LoadBalancer" } }, { "External-IP": "<pending>", "Port(s)": "<none>" }],
  [
    "services",
    { spec: { type: "ExternalName", externalName: "example.com" } },
    { "Cluster-IP": "<none>", "External-IP": "example.com" },
  ],
  [
    "endpointslices",
    {
      addressType: "IPv4",
      endpoints: [1, 2, 3, 4, 5].map((n) => ({ addresses: [`10.0.0.${n}`] })),
      ports: [{ port: 80 }],
    },
    { Ports: "80", Endpoints: "10.0.0.1,10.0.0.2,10.0.0.3 + 2 more..." },
  ],
  ["endpointslices", { addressType: "IPv4", endpoints: [] }, { Ports: "<unset>", Endpoints: "<unset>" }],
  [
    "endpoints",
    { subsets: [{ addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 80 }, { port: 81 }] }] },
    { Endpoints: "10.0.0.1:80,10.0.0.1:81" },
  ],
  [
    "nodes",
    {
      metadata: { labels: { "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "" } },
      spec: { unschedulable: true },
      status: {
        conditions: ready,
        nodeInfo: { kubeletVersion: "v1.36.0" },
        addresses: [{ type: "InternalIP", address: "10.0.0.9" }],
      },
    },
    {
      Status: "Ready,SchedulingDisabled",
      Roles: "control-plane,worker",
      Version: "v1.36.0",
      "Internal-IP": "10.0.0.9",
      "External-IP": "<none>",
    },
  ],
  [
    "nodes",
    { status: { conditions: [{ type: "Ready", status: "Unknown" }] } },
    { Status: "NotReady", Roles: "<none>", "OS-Image": "<unknown>" },
  ],
  ["configmaps", { data: { a: "1" }, binaryData: { b: "" } }, { Data: 2 }],
  ["secrets", { type: "Opaque" }, { Type: "Opaque", Data: 0 }],
  [
    "events",
    {
      involvedObject: { kind: "Pod", name: "web" },
      reason: "Pulled",
      message: " ok \n",
      source: { component: "kubelet", host: "n" },
      firstTimestamp: ago(90),
      lastTimestamp: ago(10),
      count: 4,
    },
    { "Last Seen": "10s", "First Seen": "90s", Object: "pod/web", Message: "ok", Source: "kubelet, n", Count: 4 },
  ],
  [
    "events",
    { involvedObject: { kind: "Pod", name: "web" }, eventTime: ago(3), reportingComponent: "scheduler" },
    { "Last Seen": "3s", Source: "scheduler", Count: 1 },
  ],
  [
    "persistentvolumeclaims",
    {
      spec: { volumeName: "v", storageClassName: "fast" },
      status: { phase: "Bound", capacity: { storage: "1Gi" }, accessModes: ["ReadWriteMany", "ReadWriteOnce"] },
    },
    {
      Status: "Bound",
      Capacity: "1Gi",
      "Access Modes": "RWO,RWX",
      StorageClass: "fast",
      VolumeAttributesClass: "<unset>",
    },
  ],
  [
    "storageclasses",
    { metadata: { annotations: { "storageclass.kubernetes.io/is-default-class": "true" } }, provisioner: "p" },
    { Name: "web (default)", ReclaimPolicy: "Delete", AllowVolumeExpansion: false },
  ],
  ["ingresses", { spec: { rules: [{ host: "a.b" }], tls: [{}] } }, { Class: "<none>", Hosts: "a.b", Ports: "80, 443" }],
  ["networkpolicies", { spec: { podSelector: {} } }, { "Pod-Selector": "<none>" }],
  [
    "rolebindings",
    {
      roleRef: { kind: "Role", name: "r" },
      subjects: [
        { kind: "ServiceAccount", namespace: "n", name: "s" },
        { kind: "User", name: "u" },
      ],
    },
    { Role: "Role/r", Users: "u", ServiceAccounts: "n/s" },
  ],
  [
    "poddisruptionbudgets",
    { spec: { minAvailable: "50%" } },
    { "Min Available": "50%", "Max Unavailable": "N/A", "Allowed Disruptions": 0 },
  ],
  ["leases", { spec: { holderIdentity: "me" } }, { Holder: "me" }],
  [
    "priorityclasses",
    { value: 7, globalDefault: true, preemptionPolicy: "Never" },
    { Value: 7, "Global-Default": true, PreemptionPolicy: "Never" },
  ],
  [
    "horizontalpodautoscalers",
    {
      spec: {
        scaleTargetRef: { kind: "Deployment", name: "web" },
        minReplicas: 1,
        maxReplicas: 5,
        metrics: [{ type: "Resource", resource: { name: "cpu", target: { averageUtilization: 80 } } }],
      },
      status: { currentReplicas: 2, currentMetrics: [{ resource: { current: { averageUtilization: 40 } } }] },
    },
    { Reference: "Deployment/web", Targets: "cpu: 40%/80%", MinPods: "1", MaxPods: 5, Replicas: 2 },
  ],
  ["roles", {}, { Name: "web", "Created At": CREATED }],
];

describe("columns", () => {
  test.each(cases)("of %s: %j", (plural, body, wanted) => {
    expect(shown(plural, body)).toMatchObject(wanted);
  });

  test("of Events are the same in both representations", () => {
    const [core, newer] = builtinResources.filter(({ kind }) => kind === "Event");
    const event = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: "e", creationTimestamp: CREATED },
      involvedObject: { kind: "Pod", name: "web" },
      message: "hello",
      reportingComponent: "kubelet",
      reportingInstance: "n",
      firstTimestamp: ago(20),
      count: 2,
    } as unknown as StoredObject;
    const other = eventsStoredAs.fromStored(event);
    expect(other).toMatchObject({
      apiVersion: "events.k8s.io/v1",
      note: "hello",
      regarding: { name: "web" },
      deprecatedCount: 2,
    });
    expect(newer!.columns.cells(other, NOW)).toEqual(core!.columns.cells(event, NOW));
    expect(eventsStoredAs.toStored(other)).toEqual(event);
  });
});
