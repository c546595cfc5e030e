import { describe, expect, test } from "vitest";
import {
  deployment,
  job,
  type Loose,
  minimal,
  podSpec,
  selector,
  service,
  template,
  tryCreate,
  withContainer,
} from "./sample-objects.ts";

const LABEL_HINT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_HINT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** Kind, what is sent, everything that is said about it. */
type Case = readonly [plural: string, body: Loose, errors: readonly string[]];

const metadata: readonly Case[] = [
  ["configmaps", { metadata: { name: "Web" } }, [`metadata.name: Invalid value: "Web": ${SUBDOMAIN_HINT}`]],
  ["configmaps", { metadata: { name: "" } }, ["metadata.name: Required value: name or generateName is required"]],
  [
    "services",
    { ...service(), metadata: { name: "a.b" } },
    ['metadata.name: Invalid value: "a.b": must not contain dots'],
  ],
  [
    "configmaps",
    { metadata: { labels: { app: "a b" } } },
    [expect.stringContaining('metadata.labels: Invalid value: "a b": a valid label must be')],
  ],
  [
    "configmaps",
    { metadata: { annotations: { a: "x".repeat(262_145) } } },
    ["metadata.annotations: Too long: may not be more than 262144 bytes"],
  ],
  [
    "configmaps",
    { metadata: { finalizers: ["mine"] } },
    [
      'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
    ],
  ],
  [
    "configmaps",
    { metadata: { ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "p" }] } },
    ['metadata.ownerReferences.uid: Invalid value: "": must not be empty'],
  ],
  [
    "configmaps",
    {
      metadata: {
        ownerReferences: ["a", "b"].map((name) => ({
          apiVersion: "v1",
          kind: "Pod",
          name,
          uid: name,
          controller: true,
        })),
      },
    },
    [expect.stringContaining('Found "true" in references for Pod/a and Pod/b')],
  ],
  ["nodes", { metadata: { namespace: "default" } }, ["metadata.namespace: Forbidden: not allowed on this type"]],
  [
    "cronjobs",
    { ...minimal["cronjobs"], metadata: { name: "a".repeat(53) } },
    [`metadata.name: Invalid value: "${"a".repeat(53)}": must be no more than 52 characters`],
  ],
  ["clusterroles", { metadata: { name: "system:any" } }, []],
  ["clusterroles", { metadata: { name: "a/b" } }, [`metadata.name: Invalid value: "a/b": may not contain '/'`]],
];

const pods: readonly Case[] = [
  ["pods", { spec: {} }, ["spec.containers: Required value"]],
  ["pods", { spec: podSpec({ containers: [{ name: "c" }] }) }, ["spec.containers[0].image: Required value"]],
  ["pods", { spec: withContainer({ name: "C" }) }, [`spec.containers[0].name: Invalid value: "C": ${LABEL_HINT}`]],
  [
    "pods",
    {
      spec: podSpec({
        containers: [
          { name: "a", image: "x" },
          { name: "a", image: "x" },
        ],
      }),
    },
    ['spec.containers[1].name: Duplicate value: "a"'],
  ],
  [
    "pods",
    { spec: withContainer({ image: " x" }) },
    ['spec.containers[0].image: Invalid value: " x": must not have leading or trailing whitespace'],
  ],
  [
    "pods",
    { spec: withContainer({ imagePullPolicy: "Sometimes" }) },
    [
      'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
    ],
  ],
  ["pods", { spec: withContainer({ ports: [{}] }) }, ["spec.containers[0].ports[0].containerPort: Required value"]],
  [
    "pods",
    { spec: withContainer({ ports: [{ containerPort: 70000 }] }) },
    ["spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
  ],
  [
    "pods",
    { spec: withContainer({ ports: [{ containerPort: 80, protocol: "ICMP" }] }) },
    ['spec.containers[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'],
  ],
  [
    "pods",
    {
      spec: withContainer({
        ports: [
          { containerPort: 80, hostPort: 8 },
          { containerPort: 81, hostPort: 8 },
        ],
      }),
    },
    ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//8"'],
  ],
  [
    "pods",
    { spec: withContainer({ env: [{ name: "A=B" }] }) },
    [
      "spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment variable name must consist only of printable ASCII characters other than '='",
    ],
  ],
  [
    "pods",
    { spec: withContainer({ env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.labels" } } }] }) },
    [
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
    ],
  ],
  [
    "pods",
    { spec: withContainer({ env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "m" } } }] }) },
    ["spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Required value"],
  ],
  [
    "pods",
    { spec: withContainer({ env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }] }) },
    [],
  ],
  [
    "pods",
    { spec: withContainer({ volumeMounts: [{ name: "v", mountPath: "/v" }] }) },
    ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  ],
  [
    "pods",
    {
      spec: {
        ...withContainer({
          volumeMounts: [
            { name: "v", mountPath: "/a" },
            { name: "v", mountPath: "/a", subPath: "../x" },
          ],
        }),
        volumes: [{ name: "v" }],
      },
    },
    [
      'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
      "spec.containers[0].volumeMounts.subPath: Invalid value: \"../x\": must not contain '..'",
    ],
  ],
  [
    "pods",
    { spec: withContainer({ livenessProbe: {} }) },
    ["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
  ],
  [
    "pods",
    { spec: withContainer({ livenessProbe: { exec: { command: ["x"] }, successThreshold: 2, periodSeconds: -1 } }) },
    [
      "spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
      "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
    ],
  ],
  [
    "pods",
    { spec: withContainer({ readinessProbe: { httpGet: { port: "no_name" }, tcpSocket: { port: 1 } } }) },
    [
      'spec.containers[0].readinessProbe.httpGet.port: Invalid value: "no_name": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
      "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
    ],
  ],
  [
    "pods",
    { spec: withContainer({ resources: { requests: { memory: "2Gi" }, limits: { memory: "1Gi" } } }) },
    ['spec.containers[0].resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi'],
  ],
  [
    "pods",
    { spec: withContainer({ resources: { limits: { cpu: "-1" } } }) },
    [
      'spec.containers[0].resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
      'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ],
  ],
  [
    "pods",
    { spec: withContainer({ securityContext: { privileged: true, allowPrivilegeEscalation: false, runAsUser: -1 } }) },
    [
      "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
      expect.stringContaining("cannot set `allowPrivilegeEscalation` to false and `privileged` to true"),
    ],
  ],
  [
    "pods",
    { spec: podSpec({ restartPolicy: "Maybe" }) },
    ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"'],
  ],
  [
    "pods",
    {
      spec: podSpec({
        initContainers: [
          { name: "i", image: "x", readinessProbe: { exec: { command: ["x"] } } },
          { name: "c", image: "x" },
        ],
      }),
    },
    [
      "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
      'spec.initContainers[1].name: Duplicate value: "c"',
    ],
  ],
  [
    "pods",
    { spec: podSpec({ volumes: [{ name: "v", emptyDir: {}, hostPath: { path: "/" } }, { name: "v" }] }) },
    ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
  ],
  [
    "pods",
    {
      spec: podSpec({
        volumes: [
          { name: "v", secret: { defaultMode: 1000 } },
          { name: "w", configMap: { name: "m", items: [{ key: "a", path: "/x" }] } },
        ],
      }),
    },
    [
      "spec.volumes[0].secret.secretName: Required value",
      "spec.volumes[0].secret.defaultMode: Invalid value: 1000: must be a number between 0 and 0777 (octal), both inclusive",
      'spec.volumes[1].configMap.items[0].path: Invalid value: "/x": must be a relative path',
    ],
  ],
  [
    "pods",
    {
      spec: podSpec({
        tolerations: [
          { key: "a", operator: "Exists", value: "b" },
          { tolerationSeconds: 5, operator: "Exists" },
        ],
      }),
    },
    [
      "spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
      "spec.tolerations[1].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
    ],
  ],
  [
    "pods",
    {
      spec: podSpec({
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: "a", operator: "In" }] }],
            },
          },
          podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{}] },
        },
      }),
    },
    [
      "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty",
      expect.stringContaining('topologyKey: Invalid value: "": name part must be non-empty'),
      expect.stringContaining('topologyKey: Invalid value: "": name part must consist of'),
    ],
  ],
  [
    "pods",
    { spec: podSpec({ dnsPolicy: "None" }) },
    ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
  ],
];

const workloads: readonly Case[] = [
  [
    "deployments",
    deployment({ replicas: -1 }),
    ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
  ],
  ["deployments", { spec: { template: template() } }, ["spec.selector: Required value"]],
  [
    "deployments",
    deployment({ selector: {} }),
    ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
  ],
  [
    "deployments",
    deployment({ selector: { matchLabels: { app: "other" } } }),
    ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
  ],
  [
    "deployments",
    deployment({ template: template(podSpec({ containers: [{ name: "c" }], restartPolicy: "Never" })) }),
    [
      "spec.template.spec.containers[0].image: Required value",
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
  ],
  [
    "deployments",
    deployment({ strategy: { type: "Recreate", rollingUpdate: {} } }),
    ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
  ],
  [
    "deployments",
    deployment({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: "0%" } } }),
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
  ],
  [
    "deployments",
    deployment({ strategy: { rollingUpdate: { maxSurge: "x", maxUnavailable: "150%" } } }),
    [
      "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "150%": must not be greater than 100%',
    ],
  ],
  [
    "deployments",
    deployment({ progressDeadlineSeconds: 5, minReadySeconds: 10 }),
    ["spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"],
  ],
  [
    "replicasets",
    { spec: { selector, template: template(podSpec({ activeDeadlineSeconds: 5 })) } },
    ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"],
  ],
  [
    "jobs",
    { spec: { template: { spec: podSpec() } } },
    ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
  ],
  ["jobs", job({ completionMode: "Indexed" }), []],
  [
    "jobs",
    job({ completionMode: "Indexed", parallelism: 2 }),
    ["spec.completions: Required value: when completion mode is Indexed"],
  ],
  [
    "jobs",
    job({ manualSelector: true, selector }),
    ["spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`"],
  ],
  [
    "cronjobs",
    { spec: { schedule: "nonsense", timeZone: "Mars/Base", jobTemplate: job() } },
    [
      'spec.schedule: Invalid value: "nonsense": expected exactly 5 fields, found 1: [nonsense]',
      'spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base',
    ],
  ],
  [
    "daemonsets",
    { spec: { selector, template: template(), updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } } },
    ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
  ],
];

const others: readonly Case[] = [
  ["services", { spec: {} }, ["spec.ports: Required value"]],
  ["services", { spec: { clusterIP: "None" } }, []],
  ["services", { spec: { type: "ExternalName" } }, ["spec.externalName: Required value"]],
  ["services", service({ ports: [{ port: 80 }, { port: 81, name: "b" }] }), ["spec.ports[0].name: Required value"]],
  [
    "services",
    service({ ports: [{ port: 80, nodePort: 30000 }] }),
    ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  ],
  [
    "services",
    service({ type: "Magic" }),
    [
      'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
  ],
  [
    "services",
    service({ type: "NodePort", clusterIP: "None" }),
    ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
  ],
  [
    "services",
    service({ clusterIP: "10.0.0.999" }),
    ['spec.clusterIPs[0]: Invalid value: "10.0.0.999": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  [
    "services",
    service({ externalTrafficPolicy: "Local" }),
    ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
  ],
  [
    "services",
    service({ ports: [{ port: 80, targetPort: "way-too-long-a-name" }] }),
    ['spec.ports[0].targetPort: Invalid value: "way-too-long-a-name": must be no more than 15 bytes'],
  ],
  [
    "configmaps",
    { data: { "a/b": "x", c: "1" }, binaryData: { c: "AA==" } },
    [
      expect.stringContaining('data[a/b]: Invalid value: "a/b": a valid config key must consist of'),
      'data[c]: Invalid value: "c": duplicate of key present in binaryData',
    ],
  ],
  ["configmaps", { data: { a: "x".repeat(1_048_577) } }, [": Too long: may not be more than 1048576 bytes"]],
  ["secrets", { type: "kubernetes.io/tls", data: { "tls.crt": "" } }, ["data[tls.key]: Required value"]],
  ["secrets", { type: "kubernetes.io/dockerconfigjson", data: { ".dockerconfigjson": "e30=" } }, []],
  [
    "endpointslices",
    { addressType: "IPv4", endpoints: [{ addresses: ["fd00::1", "127.0.0.1"] }], ports: [{ port: 0 }] },
    [
      'endpoints[0].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address',
      'endpoints[0].addresses[1]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      "ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
    ],
  ],
  ["endpoints", { subsets: [{}] }, ["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"]],
  [
    "nodes",
    { spec: { taints: [{ key: "a", effect: "NoWay" }], podCIDR: "10.0.0.0" } },
    [
      'metadata.taints[0].effect: Unsupported value: "NoWay": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
      'spec.podCIDRs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ],
  ],
  [
    "leases",
    { spec: { leaseDurationSeconds: 0 } },
    ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
  ],
  [
    "events",
    { metadata: { namespace: "a" }, involvedObject: { namespace: "b" } },
    ['involvedObject.namespace: Invalid value: "b": does not match event.namespace'],
  ],
  [
    "roles",
    {
      rules: [
        { apiGroups: [""], resources: ["pods"] },
        { verbs: ["get"], nonResourceURLs: ["/x"] },
      ],
    },
    [
      "rules[0].verbs: Required value: verbs must contain at least one value",
      'rules[1].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
    ],
  ],
  [
    "clusterrolebindings",
    { roleRef: { kind: "Role", name: "x" }, subjects: [{ kind: "ServiceAccount", name: "s" }] },
    [
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
      "subjects[0].namespace: Required value",
    ],
  ],
  [
    "persistentvolumeclaims",
    { spec: {} },
    ["spec.accessModes: Required value: at least 1 access mode is required", "spec.resources[storage]: Required value"],
  ],
  ["ingresses", { spec: {} }, ["spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"]],
  [
    "poddisruptionbudgets",
    { spec: { minAvailable: 1, maxUnavailable: 1 } },
    [expect.stringContaining("minAvailable and maxUnavailable cannot be both set")],
  ],
  [
    "priorityclasses",
    { value: 1_000_000_001 },
    ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
  ],
  [
    "horizontalpodautoscalers",
    { spec: { minReplicas: 5, maxReplicas: 3, scaleTargetRef: { kind: "Deployment" } } },
    [
      "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`",
      "spec.scaleTargetRef.name: Required value",
    ],
  ],
];

const titled = (cases: readonly Case[]) =>
  cases.map(([plural, body, errors]) => ({ plural, body, errors, sent: short(body) }));
const short = (body: Loose): string => JSON.stringify(body).slice(0, 90);

describe.each([
  ["metadata", metadata],
  ["Pods", pods],
  ["workloads", workloads],
  ["other kinds", others],
])("validation of %s", (_name, cases) => {
  test.each(titled(cases))("$plural $sent", ({ plural, body, errors }) => {
    expect(tryCreate(plural, body).errors).toEqual(errors);
  });
});

test("warnings name what cannot be meant", () => {
  const env = [
    { name: "A", value: "1" },
    { name: "A", value: "2" },
  ];
  expect(tryCreate("pods", { spec: withContainer({ env }) }).warnings).toEqual([
    'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
  ]);
});
