/** What people really apply: manifests like those of well-known add-ons are taken as they are, without a warning. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

type Loose = Record<string, unknown>;
const workload = (kind: string, name: string, pod: Loose, more: Loose = {}): Loose => {
  const labels = { "app.kubernetes.io/name": name, "app.kubernetes.io/instance": name };
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, labels },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: pod }, ...more },
  };
};
const restricted = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
const probe = (path: string, port: number | string) => ({
  httpGet: { path, port, scheme: "HTTP" },
  initialDelaySeconds: 10,
  periodSeconds: 10,
});
const claim = (name: string) => ({
  metadata: { name },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "8Gi" } } },
});
const podIp = { name: "POD_IP", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "status.podIP" } } };
const tokens = {
  name: "kube-api-access",
  projected: {
    defaultMode: 0o444,
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
      { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
      { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
    ],
  },
};

const manifests: Readonly<Record<string, Loose>> = {
  "an ingress controller": workload("Deployment", "ingress", {
    serviceAccountName: "ingress",
    dnsPolicy: "ClusterFirst",
    nodeSelector: { "kubernetes.io/os": "linux" },
    terminationGracePeriodSeconds: 300,
    containers: [
      {
        name: "controller",
        image:
          "registry.k8s.io/ingress-nginx/controller:v1.12.0@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        args: ["/nginx-ingress-controller", "--publish-service=$(POD_NAMESPACE)/ingress"],
        lifecycle: { preStop: { exec: { command: ["/wait-shutdown"] } } },
        env: [podIp, { name: "LD_PRELOAD", value: "/usr/local/lib/libmimalloc.so" }],
        livenessProbe: { ...probe("/healthz", 10254), failureThreshold: 5 },
        ports: [
          { name: "http", containerPort: 80, hostPort: 80, protocol: "TCP" },
          { name: "webhook", containerPort: 8443, protocol: "TCP" },
        ],
        resources: { requests: { cpu: "100m", memory: "90Mi" } },
        securityContext: { ...restricted, capabilities: { add: ["NET_BIND_SERVICE"], drop: ["ALL"] }, runAsUser: 101 },
        volumeMounts: [{ name: "webhook-cert", mountPath: "/usr/local/certificates/", readOnly: true }],
      },
    ],
    volumes: [{ name: "webhook-cert", secret: { secretName: "ingress-admission" } }],
  }),
  "a certificate manager": workload("Deployment", "cert-manager", {
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
    containers: [
      {
        name: "controller",
        image: "quay.io/jetstack/cert-manager-controller:v1.17.0",
        args: ["--v=2", "--cluster-resource-namespace=$(POD_NAMESPACE)"],
        ports: [{ containerPort: 9402, name: "http-metrics" }],
        env: [{ name: "POD_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } }],
        securityContext: restricted,
        livenessProbe: probe("/livez", 9402),
      },
    ],
  }),
  "a node exporter": workload("DaemonSet", "node-exporter", {
    hostNetwork: true,
    hostPID: true,
    priorityClassName: "system-node-critical",
    tolerations: [{ operator: "Exists", effect: "NoSchedule" }],
    containers: [
      {
        name: "exporter",
        image: "quay.io/prometheus/node-exporter:v1.9.0",
        args: ["--path.rootfs=/host/root"],
        ports: [{ containerPort: 9100, name: "metrics" }],
        volumeMounts: [{ name: "root", mountPath: "/host/root", mountPropagation: "HostToContainer", readOnly: true }],
        env: [{ name: "GOMAXPROCS", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1" } } }],
        resources: { limits: { cpu: "250m", memory: "180Mi" }, requests: { cpu: "102m", memory: "180Mi" } },
      },
    ],
    volumes: [{ name: "root", hostPath: { path: "/" } }],
  }),
  "a metrics database": workload(
    "StatefulSet",
    "prometheus",
    {
      automountServiceAccountToken: true,
      securityContext: { fsGroup: 2000, runAsUser: 1000, fsGroupChangePolicy: "OnRootMismatch" },
      initContainers: [{ name: "init-config", image: "quay.io/config-reloader:v1", args: ["--watch-interval=0"] }],
      containers: [
        {
          name: "prometheus",
          image: "quay.io/prometheus/prometheus:v3.2.0",
          ports: [{ name: "http-web", containerPort: 9090 }],
          startupProbe: { ...probe("/-/ready", "http-web"), failureThreshold: 60, periodSeconds: 15 },
          volumeMounts: [{ name: "db", mountPath: "/prometheus", subPath: "prometheus-db" }],
        },
      ],
    },
    { serviceName: "prometheus", podManagementPolicy: "Parallel", volumeClaimTemplates: [claim("db")] },
  ),
  "a relational database": workload(
    "StatefulSet",
    "postgres",
    {
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            {
              weight: 1,
              podAffinityTerm: { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: { a: "b" } } },
            },
          ],
        },
      },
      containers: [
        {
          name: "postgres",
          image: "postgres:17",
          envFrom: [{ secretRef: { name: "postgres" } }],
          livenessProbe: { exec: { command: ["pg_isready"] } },
          volumeMounts: [
            { name: "data", mountPath: "/var/lib/postgresql/data" },
            { name: "shm", mountPath: "/dev/shm" },
          ],
        },
      ],
      volumes: [{ name: "shm", emptyDir: { medium: "Memory", sizeLimit: "1Gi" } }],
    },
    { serviceName: "postgres", replicas: 3, volumeClaimTemplates: [claim("data")] },
  ),
  "a network plugin": workload(
    "DaemonSet",
    "cni",
    {
      hostNetwork: true,
      initContainers: [
        {
          name: "install",
          image: "example.com/cni:v1",
          command: ["/install"],
          securityContext: { privileged: true },
          volumeMounts: [{ name: "bin", mountPath: "/host/bin" }],
        },
      ],
      containers: [
        {
          name: "agent",
          image: "example.com/cni:v1",
          securityContext: { privileged: true },
          volumeMounts: [{ name: "bpf", mountPath: "/sys/fs/bpf", mountPropagation: "Bidirectional" }],
        },
      ],
      tolerations: [{ operator: "Exists" }, { key: "CriticalAddonsOnly", operator: "Exists" }],
      volumes: [
        { name: "bin", hostPath: { path: "/opt/cni/bin", type: "DirectoryOrCreate" } },
        { name: "bpf", hostPath: { path: "/sys/fs/bpf", type: "DirectoryOrCreate" } },
      ],
    },
    { updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "10%" } } },
  ),
  "a Deployment with a sidecar and tokens": workload(
    "Deployment",
    "web",
    {
      initContainers: [
        { name: "proxy", image: "envoy:v1.33", restartPolicy: "Always", startupProbe: { tcpSocket: { port: 15000 } } },
      ],
      containers: [
        { name: "web", image: "nginx:1.27", volumeMounts: [{ name: tokens.name, mountPath: "/var/run/t" }] },
      ],
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: "topology.kubernetes.io/zone",
          whenUnsatisfiable: "ScheduleAnyway",
          labelSelector: { matchLabels: { "app.kubernetes.io/name": "web" } },
          matchLabelKeys: ["pod-template-hash"],
        },
      ],
      volumes: [tokens],
    },
    { strategy: { rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } }, revisionHistoryLimit: 3 },
  ),
  "an Indexed Job": {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "train" },
    spec: {
      completions: 8,
      parallelism: 4,
      completionMode: "Indexed",
      backoffLimitPerIndex: 1,
      maxFailedIndexes: 2,
      successPolicy: { rules: [{ succeededIndexes: "0,2-3", succeededCount: 2 }] },
      podFailurePolicy: {
        rules: [
          { action: "FailIndex", onExitCodes: { containerName: "main", operator: "In", values: [42] } },
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget" }] },
        ],
      },
      template: {
        spec: {
          restartPolicy: "Never",
          containers: [
            {
              name: "main",
              image: "python:3.13",
              resources: { limits: { "nvidia.com/gpu": "1", memory: "1Gi" } },
            },
          ],
        },
      },
    },
  },
  "a nightly backup": {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "backup" },
    spec: {
      schedule: "30 2 * * 1-5",
      timeZone: "Europe/Berlin",
      concurrencyPolicy: "Forbid",
      jobTemplate: {
        spec: {
          ttlSecondsAfterFinished: 86400,
          template: { spec: { restartPolicy: "OnFailure", containers: [{ name: "b", image: "restic:0.18" }] } },
        },
      },
    },
  },
  "an autoscaler": {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "web" },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
      minReplicas: 2,
      maxReplicas: 10,
      metrics: [
        { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 70 } } },
        { type: "Pods", pods: { metric: { name: "rps" }, target: { type: "AverageValue", averageValue: "1k" } } },
      ],
      behavior: {
        scaleDown: { stabilizationWindowSeconds: 300, policies: [{ type: "Pods", value: 1, periodSeconds: 60 }] },
      },
    },
  },
  "a budget": {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name: "web" },
    spec: {
      maxUnavailable: "50%",
      selector: { matchLabels: { app: "web" } },
      unhealthyPodEvictionPolicy: "AlwaysAllow",
    },
  },
  "a quota": {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: "team" },
    spec: {
      hard: {
        "requests.cpu": "10",
        "limits.memory": "20Gi",
        "count/deployments.apps": "5",
        "requests.nvidia.com/gpu": "4",
      },
    },
  },
};

const PLURALS: Readonly<Record<string, string>> = {
  Deployment: "deployments",
  DaemonSet: "daemonsets",
  StatefulSet: "statefulsets",
  Job: "jobs",
  CronJob: "cronjobs",
  HorizontalPodAutoscaler: "horizontalpodautoscalers",
  PodDisruptionBudget: "poddisruptionbudgets",
  ResourceQuota: "resourcequotas",
};

test.each(Object.entries(manifests))("%s is taken as it is, and again unchanged", async (_what, body) => {
  const { apiVersion, kind, metadata } = body as { apiVersion: string; kind: string; metadata: { name: string } };
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const path = `${root}/namespaces/default/${PLURALS[kind]}`;
  const created = await pipeline.send({ method: "POST", path: `${path}?fieldValidation=Strict`, body });
  expect([created.status, created.value.message, created.headers["warning"]]).toEqual([201, undefined, undefined]);
  const again = await pipeline.send({ method: "PUT", path: `${path}/${metadata.name}`, body: created.value });
  expect([again.status, again.value.metadata?.resourceVersion]).toEqual([200, created.value.metadata.resourceVersion]);
});
