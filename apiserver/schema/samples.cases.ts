/**
 * Samples: whole objects as people send them, for the tests of this folder.
 *
 * Each is in canonical form: decoding must give back exactly what stands here.
 */
export const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "web-7c5ddbdf54-abcde",
    namespace: "default",
    labels: { app: "web", "pod-template-hash": "7c5ddbdf54" },
    annotations: { "example.com/note": "one: two" },
    ownerReferences: [
      { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-7c5ddbdf54", uid: "d9607e19", controller: true },
    ],
    creationTimestamp: "2026-01-02T03:04:05Z",
    managedFields: [{ manager: "kubectl", operation: "Update", fieldsV1: { "f:spec": { "f:containers": {} } } }],
  },
  spec: {
    initContainers: [
      { name: "wait", image: "busybox:1.36", command: ["sh", "-c", "sleep 1"], restartPolicy: "Always" },
    ],
    containers: [
      {
        name: "web",
        image: "nginx:1.27",
        ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
        env: [
          { name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
          { name: "KEY", valueFrom: { secretKeyRef: { name: "keys", key: "api", optional: true } } },
        ],
        envFrom: [{ prefix: "CFG_", configMapRef: { name: "config" } }],
        resources: { limits: { cpu: "500m", memory: "128Mi" }, requests: { cpu: "100m", memory: "64Mi" } },
        volumeMounts: [{ name: "data", mountPath: "/data" }],
        readinessProbe: { httpGet: { path: "/ready", port: "http" }, periodSeconds: 5 },
        livenessProbe: { tcpSocket: { port: 8080 }, initialDelaySeconds: 3 },
        lifecycle: { preStop: { exec: { command: ["sleep", "5"] } } },
        securityContext: { runAsUser: 1000, capabilities: { drop: ["ALL"] } },
      },
    ],
    volumes: [
      { name: "data", emptyDir: { sizeLimit: "1Gi" } },
      { name: "config", configMap: { name: "config", items: [{ key: "a", path: "b", mode: 420 }] } },
      {
        name: "token",
        projected: { sources: [{ serviceAccountToken: { path: "token", expirationSeconds: 3607 } }] },
      },
    ],
    nodeSelector: { "kubernetes.io/os": "linux" },
    tolerations: [
      { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
    ],
    terminationGracePeriodSeconds: 30,
    restartPolicy: "Always",
  },
  status: {
    phase: "Running",
    podIP: "10.42.0.7",
    podIPs: [{ ip: "10.42.0.7" }],
    containerStatuses: [
      {
        name: "web",
        image: "nginx:1.27",
        imageID: "",
        ready: true,
        restartCount: 1,
        state: { running: { startedAt: "2026-01-02T03:04:06Z" } },
      },
    ],
  },
};

export const deployment = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web" },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: "web" }, matchExpressions: [{ key: "tier", operator: "In", values: ["a", "b"] }] },
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 1 } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: pod.spec.containers } },
  },
};

export const service = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web" },
  spec: {
    type: "NodePort",
    clusterIP: "10.43.0.12",
    clusterIPs: ["10.43.0.12"],
    ports: [{ name: "http", port: 80, targetPort: "http", nodePort: 30080, protocol: "TCP" }],
    selector: { app: "web" },
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
  },
  status: { loadBalancer: { ingress: [{ ip: "192.0.2.1", ipMode: "VIP" }] } },
};

export const secret = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "keys" },
  data: { api: "c2VjcmV0", empty: "" },
  type: "Opaque",
};

export const coreEvent = {
  apiVersion: "v1",
  kind: "Event",
  metadata: { name: "web.1", namespace: "default" },
  involvedObject: { kind: "Pod", name: "web", fieldPath: "spec.containers{web}" },
  reason: "Pulled",
  eventTime: "2026-01-02T03:04:05.123456Z",
  firstTimestamp: "2026-01-02T03:04:05Z",
  source: { component: "kubelet", host: "n1" },
  count: 2,
  type: "Normal",
};

export const event = {
  apiVersion: "events.k8s.io/v1",
  kind: "Event",
  metadata: { name: "web.2", namespace: "default" },
  eventTime: "2026-01-02T03:04:05.000001Z",
  regarding: { kind: "Pod", name: "web" },
  note: "Started container web",
  series: { count: 3, lastObservedTime: "2026-01-02T03:05:05.000000Z" },
  deprecatedSource: { component: "kubelet" },
};

export const crd = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "books.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { kind: "Book", plural: "books", singular: "book", listKind: "BookList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            $ref: "",
            properties: {
              spec: {
                type: "object",
                "x-kubernetes-preserve-unknown-fields": true,
                properties: {
                  pages: { type: "integer", format: "int32", minimum: 1, default: 12 },
                  tags: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
                },
                additionalProperties: false,
              },
            },
            "x-kubernetes-validations": [{ rule: "self.spec.pages > 0" }],
          },
        },
        subresources: {
          status: {},
          scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
        },
        additionalPrinterColumns: [{ name: "Pages", type: "integer", jsonPath: ".spec.pages" }],
      },
    ],
  },
};

export const lease = {
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name: "n1", namespace: "kube-node-lease" },
  spec: { holderIdentity: "n1", leaseDurationSeconds: 40, renewTime: "2026-01-02T03:04:05.000000Z" },
};

export const role = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRole",
  metadata: { name: "reader" },
  rules: [
    { apiGroups: [""], resources: ["pods", "pods/log"], verbs: ["get", "list"] },
    { nonResourceURLs: ["/healthz"], verbs: ["get"] },
  ],
};

export const review = {
  apiVersion: "authorization.k8s.io/v1",
  kind: "SubjectAccessReview",
  metadata: {},
  spec: { user: "jane", groups: ["dev"], extra: { scopes: ["a", "b"] }, resourceAttributes: { verb: "get" } },
};

export const samples = [pod, deployment, service, secret, coreEvent, event, crd, lease, role, review];
