/**
 * Samples: a good object of every kind, rich enough that there is something to bend.
 *
 * Those that ../../apiserver/resources/sample-objects.ts has are taken from there; the rest, and fuller ones of what
 * clients write most, stand here. By "group/plural", or by the plural alone.
 */
import { type Loose, minimal } from "../../apiserver/resources/sample-objects.ts";

const container: Loose = {
  name: "c",
  image: "i:1",
  ports: [{ name: "http", containerPort: 80 }],
  env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
  envFrom: [{ configMapRef: { name: "cm" } }],
  resources: { requests: { cpu: "100m" }, limits: { memory: "64Mi" } },
  livenessProbe: { httpGet: { path: "/", port: "http" }, periodSeconds: 5 },
  lifecycle: { preStop: { exec: { command: ["true"] } } },
  volumeMounts: [{ name: "v", mountPath: "/v" }],
  securityContext: { runAsUser: 5, capabilities: { add: ["NET_ADMIN"] } },
};
const term = { matchExpressions: [{ key: "a", operator: "In", values: ["b"] }] };
const selector = { matchLabels: { a: "b" } };
const podSpec: Loose = {
  containers: [container],
  initContainers: [{ name: "i", image: "i:1", restartPolicy: "Always" }],
  volumes: [
    { name: "v", emptyDir: { sizeLimit: "1Mi" } },
    { name: "p", projected: { sources: [{ secret: { name: "s" } }] } },
  ],
  tolerations: [{ key: "a", operator: "Exists", effect: "NoExecute", tolerationSeconds: 5 }],
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } } },
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: "k", whenUnsatisfiable: "DoNotSchedule", labelSelector: selector },
  ],
  nodeSelector: { a: "b" },
  terminationGracePeriodSeconds: 5,
};
const template: Loose = { metadata: { labels: { a: "b" } }, spec: podSpec };
const jobTemplate: Loose = { spec: { template: { spec: { ...podSpec, restartPolicy: "Never" } } } };
const hooks: Loose = {
  webhooks: [
    {
      name: "a.example.com",
      admissionReviewVersions: ["v1"],
      sideEffects: "None",
      failurePolicy: "Ignore",
      clientConfig: { service: { name: "s", namespace: "n", path: "/p" } },
      rules: [{ operations: ["CREATE"], apiGroups: ["x.example"], apiVersions: ["v1"], resources: ["nothings"] }],
      matchConditions: [{ name: "c", expression: "object.metadata.name != 'x'" }],
    },
  ],
};
const nothings = {
  resourceRules: [{ operations: ["CREATE"], apiGroups: ["x.example"], apiVersions: ["v1"], resources: ["nothings"] }],
};
const claim: Loose = {
  devices: {
    requests: [{ name: "r", exactly: { deviceClassName: "c.example", selectors: [{ cel: { expression: "true" } }] } }],
    constraints: [{ requests: ["r"], matchAttribute: "a.example/b" }],
  },
};

/** A certificate signing request of "someone". */
const SIGNING_REQUEST =
  "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIY01JR0NBZ0VBTUNBeEVEQU9CZ05WQkFNTUIzTnZiV1Z2Ym1VeEREQUtCZ05WQkFvTUEyUmxkakJaTUJNRwpCeXFHU000OUFnRUdDQ3FHU000OUF3RUhBMElBQktrTE1hdGw2dVlLbXVONzhSK1FXellaSW9ucjYzZVpXYkFuCjdSbTdpMExJcU1KbkM0Uk9Kd0J4SlhFVVlFV1U3ZkkvYU1aZHF2QjJvOEVBTFJKTSs4dWdBREFLQmdncWhrak8KUFFRREFnTkpBREJHQWlFQXZVallBTldhVDhkL0ozU2xsNnVaRG9kWllFM1htYzlyQmpCdEZHVzZHK01DSVFEUwpueVVVNlVoS2gvL2FUaXc2NXlRTXV2VHB2amg3OUNld0JBRUhEMjdBTkE9PQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K";

const own: Readonly<Record<string, Loose>> = {
  pods: { spec: podSpec },
  deployments: {
    spec: {
      replicas: 1,
      selector,
      template,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 1 } },
    },
  },
  replicasets: { spec: { replicas: 1, selector, template } },
  statefulsets: {
    spec: {
      replicas: 1,
      selector,
      template,
      serviceName: "x",
      volumeClaimTemplates: [
        {
          metadata: { name: "w" },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
        },
      ],
    },
  },
  daemonsets: { spec: { selector, template } },
  jobs: { spec: { ...(jobTemplate["spec"] as Loose), completions: 2, parallelism: 1, completionMode: "Indexed" } },
  cronjobs: { spec: { schedule: "*/5 * * * *", timeZone: "Etc/UTC", jobTemplate } },
  services: {
    spec: { type: "NodePort", selector: { a: "b" }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
  },
  configmaps: { data: { a: "b" }, binaryData: { c: "AAEC" } },
  secrets: { type: "Opaque", data: { a: "Yg==" } },
  serviceaccounts: { secrets: [{ name: "s" }], imagePullSecrets: [{ name: "p" }] },
  nodes: { spec: { podCIDR: "10.1.0.0/24", podCIDRs: ["10.1.0.0/24"], taints: [{ key: "a", effect: "NoSchedule" }] } },
  limitranges: { spec: { limits: [{ type: "Container", default: { cpu: "1" }, defaultRequest: { cpu: "100m" } }] } },
  resourcequotas: { spec: { hard: { pods: "1000", "requests.cpu": "1000" }, scopes: ["NotTerminating"] } },
  horizontalpodautoscalers: {
    spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "x" }, minReplicas: 1, maxReplicas: 3 },
  },
  poddisruptionbudgets: { spec: { selector, minAvailable: "50%" } },
  ingresses: {
    spec: {
      rules: [
        {
          host: "a.example",
          http: {
            paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "s", port: { number: 80 } } } }],
          },
        },
      ],
      tls: [{ hosts: ["a.example"], secretName: "t" }],
    },
  },
  networkpolicies: {
    spec: {
      podSelector: selector,
      ingress: [{ from: [{ podSelector: {} }, { ipBlock: { cidr: "10.0.0.0/8" } }], ports: [{ port: 80 }] }],
    },
  },
  events: {
    metadata: { namespace: "default" },
    involvedObject: { kind: "Pod", namespace: "default", name: "x" },
    reason: "Seen",
    count: 1,
  },
  "events.k8s.io/events": {
    eventTime: "2026-01-01T00:00:00.000000Z",
    reportingController: "example.com/me",
    reportingInstance: "me-1",
    action: "Look",
    reason: "Seen",
    type: "Normal",
    regarding: { kind: "Pod", name: "web", namespace: "default" },
  },
  runtimeclasses: { handler: "runc", overhead: { podFixed: { cpu: "1m" } }, scheduling: { nodeSelector: { a: "b" } } },
  ingressclasses: { spec: { controller: "a.b/c", parameters: { kind: "k", name: "n", scope: "Cluster" } } },
  ipaddresses: {
    metadata: { name: "192.0.2.7" },
    spec: { parentRef: { group: "", resource: "services", namespace: "default", name: "s" } },
  },
  servicecidrs: { spec: { cidrs: ["198.51.100.0/24"] } },
  clusterroles: { rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"], resourceNames: ["a"] }] },
  roles: { rules: [{ apiGroups: ["apps"], resources: ["deployments/scale"], verbs: ["*"] }] },
  clusterrolebindings: {
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
    subjects: [{ kind: "User", name: "u" }],
  },
  rolebindings: {
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "r" },
    subjects: [{ kind: "ServiceAccount", name: "s", namespace: "default" }],
  },
  csidrivers: { spec: { attachRequired: true, tokenRequests: [{ audience: "a", expirationSeconds: 3600 }] } },
  csinodes: { spec: { drivers: [{ name: "d.example", nodeID: "n", topologyKeys: ["k"], allocatable: { count: 3 } }] } },
  csistoragecapacities: { storageClassName: "s", capacity: "1Gi", nodeTopology: selector },
  volumeattachments: { spec: { attacher: "a.example", nodeName: "n", source: { persistentVolumeName: "v" } } },
  volumeattributesclasses: { driverName: "d.example", parameters: { a: "b" } },
  certificatesigningrequests: {
    spec: { request: SIGNING_REQUEST, signerName: "example.com/signer", usages: ["client auth", "digital signature"] },
  },
  mutatingwebhookconfigurations: hooks,
  validatingwebhookconfigurations: hooks,
  validatingadmissionpolicies: {
    spec: {
      matchConstraints: nothings,
      paramKind: { apiVersion: "v1", kind: "ConfigMap" },
      variables: [{ name: "n", expression: "object.metadata.name" }],
      validations: [{ expression: "variables.n != 'x'", messageExpression: "'not ' + variables.n", reason: "Invalid" }],
      auditAnnotations: [{ key: "k", valueExpression: "'v'" }],
    },
  },
  validatingadmissionpolicybindings: {
    spec: {
      policyName: "p",
      validationActions: ["Warn"],
      paramRef: { name: "c", namespace: "default", parameterNotFoundAction: "Deny" },
      matchResources: nothings,
    },
  },
  mutatingadmissionpolicies: {
    spec: {
      matchConstraints: nothings,
      reinvocationPolicy: "Never",
      mutations: [{ patchType: "ApplyConfiguration", applyConfiguration: { expression: "Object{}" } }],
    },
  },
  mutatingadmissionpolicybindings: { spec: { policyName: "p", matchResources: nothings } },
  flowschemas: {
    spec: {
      priorityLevelConfiguration: { name: "global-default" },
      matchingPrecedence: 500,
      distinguisherMethod: { type: "ByUser" },
      rules: [
        {
          subjects: [{ kind: "User", user: { name: "u" } }],
          resourceRules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"], namespaces: ["*"] }],
        },
      ],
    },
  },
  prioritylevelconfigurations: {
    spec: { type: "Limited", limited: { limitResponse: { type: "Queue", queuing: { queues: 8 } } } },
  },
  deviceclasses: { spec: { selectors: [{ cel: { expression: "device.driver == 'd.example'" } }] } },
  resourceclaims: { spec: claim },
  resourceclaimtemplates: { spec: { metadata: { labels: { a: "b" } }, spec: claim } },
  resourceslices: {
    spec: {
      driver: "d.example",
      nodeName: "n",
      pool: { name: "p", generation: 1, resourceSliceCount: 1 },
      devices: [{ name: "d", attributes: { a: { int: 5 } }, capacity: { memory: { value: "1Gi" } } }],
    },
  },
  customresourcedefinitions: {
    metadata: { name: "widgets.made.example" },
    spec: {
      group: "made.example",
      scope: "Namespaced",
      names: { kind: "Widget", plural: "widgets", shortNames: ["wd"] },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: {
                spec: {
                  type: "object",
                  properties: { size: { type: "integer", minimum: 1, default: 2 }, tag: { type: "string" } },
                  "x-kubernetes-validations": [{ rule: "self.size < 5", message: "too large" }],
                },
              },
            },
          },
          subresources: { status: {} },
          additionalPrinterColumns: [{ name: "Size", type: "integer", jsonPath: ".spec.size" }],
          selectableFields: [{ jsonPath: ".spec.tag" }],
        },
      ],
    },
  },
  selfsubjectreviews: {},
  tokenreviews: { spec: { token: "x.y.z", audiences: ["a"] } },
  localsubjectaccessreviews: {
    metadata: { namespace: "default" },
    spec: { user: "u", resourceAttributes: { namespace: "default", verb: "get", resource: "pods" } },
  },
  selfsubjectaccessreviews: { spec: { resourceAttributes: { verb: "get", resource: "pods", name: "x" } } },
  selfsubjectrulesreviews: { spec: { namespace: "default" } },
  subjectaccessreviews: {
    spec: { user: "u", groups: ["g"], extra: { a: ["b"] }, nonResourceAttributes: { path: "/x", verb: "get" } },
  },
  bindings: { metadata: { name: "seeded" }, target: { kind: "Node", name: "n" } },
};

export function sampleOf(group: string, plural: string): Loose {
  return own[`${group}/${plural}`] ?? own[plural] ?? minimal[plural] ?? {};
}

/** What subresources with kinds of their own take. */
export const subresourceSamples: ReadonlyMap<string, Loose> = new Map<string, Loose>(
  Object.entries({
    binding: { apiVersion: "v1", kind: "Binding", target: { kind: "Node", name: "n" } },
    eviction: { apiVersion: "policy/v1", kind: "Eviction", deleteOptions: { gracePeriodSeconds: 0 } },
    token: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { audiences: ["a"], expirationSeconds: 3600, boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "x" } },
    },
    scale: { apiVersion: "autoscaling/v1", kind: "Scale", spec: { replicas: 2 } },
  }),
);
