import { describe, expect, test } from "vitest";
import {
  deployment,
  job,
  type Loose,
  podSpec,
  rowOf,
  selector,
  service,
  template,
  tryCreate,
  withContainer,
} from "./sample-objects.ts";

/** What the server adds, beside what was sent. */
const cases: readonly (readonly [string, string, Loose, Loose])[] = [
  [
    "pods",
    "a bare Pod",
    { spec: podSpec() },
    {
      spec: {
        restartPolicy: "Always",
        dnsPolicy: "ClusterFirst",
        terminationGracePeriodSeconds: 30,
        schedulerName: "default-scheduler",
        securityContext: {},
        enableServiceLinks: true,
        containers: [
          {
            name: "c",
            image: "nginx:1.27",
            imagePullPolicy: "IfNotPresent",
            resources: {},
            terminationMessagePath: "/dev/termination-log",
            terminationMessagePolicy: "File",
          },
        ],
      },
      status: { phase: "Pending", qosClass: "BestEffort" },
    },
  ],
  [
    "pods",
    "the latest image",
    { spec: withContainer({ image: "nginx" }) },
    { spec: { containers: [{ imagePullPolicy: "Always" }] } },
  ],
  [
    "pods",
    "a latest image of a registry with a port",
    { spec: withContainer({ image: "localhost:5000/nginx" }) },
    { spec: { containers: [{ imagePullPolicy: "Always" }] } },
  ],
  [
    "pods",
    "an image by digest",
    { spec: withContainer({ image: "nginx@sha256:abc" }) },
    { spec: { containers: [{ imagePullPolicy: "IfNotPresent" }] } },
  ],
  [
    "pods",
    "ports",
    { spec: withContainer({ ports: [{ containerPort: 80 }] }) },
    { spec: { containers: [{ ports: [{ containerPort: 80, protocol: "TCP" }] }] } },
  ],
  [
    "pods",
    "ports on the host's network",
    { spec: { ...withContainer({ ports: [{ containerPort: 80 }] }), hostNetwork: true } },
    { spec: { containers: [{ ports: [{ containerPort: 80, hostPort: 80 }] }] } },
  ],
  [
    "pods",
    "probes",
    { spec: withContainer({ livenessProbe: { httpGet: { port: 80 } }, readinessProbe: { grpc: { port: 5 } } }) },
    {
      spec: {
        containers: [
          {
            livenessProbe: {
              httpGet: { path: "/", scheme: "HTTP" },
              timeoutSeconds: 1,
              periodSeconds: 10,
              successThreshold: 1,
              failureThreshold: 3,
            },
            readinessProbe: { grpc: { service: "" } },
          },
        ],
      },
    },
  ],
  [
    "pods",
    "hooks",
    { spec: withContainer({ lifecycle: { preStop: { httpGet: { port: "http" } } } }) },
    { spec: { containers: [{ lifecycle: { preStop: { httpGet: { path: "/", scheme: "HTTP" } } } }] } },
  ],
  [
    "pods",
    "limits without requests",
    { spec: withContainer({ resources: { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "500m" } } }) },
    {
      spec: { containers: [{ resources: { requests: { cpu: "500m", memory: "1Gi" } } }] },
      status: { qosClass: "Burstable" },
    },
  ],
  [
    "pods",
    "variables from fields",
    { spec: withContainer({ env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }] }) },
    { spec: { containers: [{ env: [{ valueFrom: { fieldRef: { apiVersion: "v1" } } }] }] } },
  ],
  [
    "pods",
    "volumes",
    {
      spec: podSpec({
        volumes: [
          { name: "a" },
          { name: "b", secret: { secretName: "s" } },
          { name: "c", configMap: { name: "m" } },
          { name: "d", hostPath: { path: "/x" } },
          { name: "e", downwardAPI: { items: [{ path: "p", fieldRef: { fieldPath: "metadata.name" } }] } },
          { name: "f", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } },
        ],
      }),
    },
    {
      spec: {
        volumes: [
          { emptyDir: {} },
          { secret: { defaultMode: 420 } },
          { configMap: { defaultMode: 420 } },
          { hostPath: { type: "" } },
          { downwardAPI: { defaultMode: 420, items: [{ fieldRef: { apiVersion: "v1" } }] } },
          { projected: { defaultMode: 420, sources: [{ serviceAccountToken: { expirationSeconds: 3600 } }] } },
        ],
      },
    },
  ],
  [
    "pods",
    "the service account's older name",
    { spec: podSpec({ serviceAccount: "robot" }) },
    { spec: { serviceAccountName: "robot" } },
  ],
  [
    "pods",
    "scheduling gates",
    { spec: podSpec({ schedulingGates: [{ name: "example.com/wait" }] }) },
    { status: { conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }] } },
  ],
  [
    "deployments",
    "a Deployment",
    deployment(),
    {
      spec: {
        replicas: 1,
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } },
        template: { spec: { restartPolicy: "Always" } },
      },
      status: {},
    },
  ],
  ["deployments", "a Deployment that says zero", deployment({ replicas: 0 }), { spec: { replicas: 0 } }],
  [
    "replicasets",
    "a ReplicaSet",
    { spec: { selector, template: template() } },
    { spec: { replicas: 1 }, status: { replicas: 0 } },
  ],
  [
    "statefulsets",
    "a StatefulSet",
    { spec: { selector, template: template() } },
    {
      spec: {
        replicas: 1,
        podManagementPolicy: "OrderedReady",
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
      },
    },
  ],
  [
    "daemonsets",
    "a DaemonSet",
    { spec: { selector, template: template() } },
    { spec: { updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } } } },
  ],
  [
    "jobs",
    "a Job",
    job(),
    {
      spec: {
        completions: 1,
        parallelism: 1,
        backoffLimit: 6,
        completionMode: "NonIndexed",
        suspend: false,
        podReplacementPolicy: "TerminatingOrFailed",
        selector: { matchLabels: { "batch.kubernetes.io/controller-uid": "0000-1" } },
        template: {
          metadata: {
            labels: {
              "controller-uid": "0000-1",
              "job-name": "web",
              "batch.kubernetes.io/controller-uid": "0000-1",
              "batch.kubernetes.io/job-name": "web",
            },
          },
        },
      },
    },
  ],
  ["jobs", "a Job with parallelism alone", job({ parallelism: 3 }), { spec: { parallelism: 3 } }],
  [
    "cronjobs",
    "a CronJob",
    { spec: { schedule: "@daily", jobTemplate: job() } },
    { spec: { concurrencyPolicy: "Allow", suspend: false, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1 } },
  ],
  [
    "services",
    "a Service",
    service(),
    {
      spec: {
        type: "ClusterIP",
        sessionAffinity: "None",
        internalTrafficPolicy: "Cluster",
        ipFamilyPolicy: "SingleStack",
        ipFamilies: ["IPv4"],
        ports: [{ port: 80, targetPort: 80, protocol: "TCP" }],
      },
      status: { loadBalancer: {} },
    },
  ],
  ["services", "a NodePort Service", service({ type: "NodePort" }), { spec: { externalTrafficPolicy: "Cluster" } }],
  [
    "services",
    "session affinity",
    service({ sessionAffinity: "ClientIP" }),
    { spec: { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } } } },
  ],
  ["services", "a headless Service", service({ clusterIP: "None" }), { spec: { clusterIPs: ["None"] } }],
  ["secrets", "a Secret in plain", { stringData: { a: "hi" } }, { type: "Opaque", data: { a: "aGk=" } }],
  [
    "namespaces",
    "a Namespace",
    {},
    {
      metadata: { labels: { "kubernetes.io/metadata.name": "web" } },
      spec: { finalizers: ["kubernetes"] },
      status: { phase: "Active" },
    },
  ],
  ["nodes", "a Node", { status: { capacity: { cpu: "2" } } }, { spec: {}, status: { allocatable: { cpu: "2" } } }],
  [
    "endpointslices",
    "an EndpointSlice",
    { addressType: "IPv4", endpoints: [], ports: [{ port: 80 }] },
    { ports: [{ name: "", protocol: "TCP" }] },
  ],
  [
    "rolebindings",
    "a RoleBinding",
    {
      roleRef: { kind: "Role", name: "r" },
      subjects: [
        { kind: "User", name: "u" },
        { kind: "ServiceAccount", name: "s" },
      ],
    },
    {
      roleRef: { apiGroup: "rbac.authorization.k8s.io" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io" }, { name: "s" }],
    },
  ],
  [
    "storageclasses",
    "a StorageClass",
    { provisioner: "x" },
    { reclaimPolicy: "Delete", volumeBindingMode: "Immediate" },
  ],
  ["priorityclasses", "a PriorityClass", { value: 1 }, { preemptionPolicy: "PreemptLowerPriority" }],
  [
    "networkpolicies",
    "a NetworkPolicy",
    { spec: { podSelector: {}, egress: [{}] } },
    { spec: { policyTypes: ["Ingress", "Egress"] } },
  ],
  [
    "limitranges",
    "a LimitRange",
    { spec: { limits: [{ type: "Container", max: { cpu: "2" }, min: { cpu: "1" } }] } },
    { spec: { limits: [{ default: { cpu: "2" }, defaultRequest: { cpu: "2" } }] } },
  ],
  [
    "horizontalpodautoscalers",
    "an autoscaler",
    { spec: { maxReplicas: 3, scaleTargetRef: { kind: "Deployment", name: "web" } } },
    { spec: { minReplicas: 1, metrics: [{ type: "Resource", resource: { name: "cpu" } }] } },
  ],
];

describe("defaults", () => {
  test.each(cases)("of %s: %s", (plural, _what, body, wanted) => {
    expect(tryCreate(plural, body).object).toMatchObject(wanted);
  });

  test("leave completions of a Job with parallelism unset", () => {
    expect(tryCreate("jobs", job({ parallelism: 3 })).object["spec"]).not.toHaveProperty("completions");
  });

  test("drop the plain form of a Secret", () => {
    expect(tryCreate("secrets", { stringData: { a: "hi" } }).object).not.toHaveProperty("stringData");
  });

  // a status update shares what it does not say with the version before
  const withStatus = cases.filter(([plural]) => rowOf(plural).hasStatus);
  test.each(withStatus)("leave alone what has them: %s: %s", (plural, _what, body) => {
    const { metadata, status, ...rest } = tryCreate(plural, body).object;
    const before = structuredClone(rest);
    rowOf(plural).strategy.defaults?.({ metadata, status, ...frozen(rest) } as never);
    expect(rest).toEqual(before);
  });

  test("do not let a creator say how an object is doing", () => {
    const { object } = tryCreate("deployments", { ...deployment(), status: { replicas: 5 } });
    expect(object["status"]).toEqual({});
  });
});

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}
