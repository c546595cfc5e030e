import { describe, expect, test } from "vitest";
import { type Loose, podSpec, tryCreate, withContainer } from "./sample-objects.ts";

/** What a Pod's spec says, and everything that is said about it: starts of "field: message", in order. */
type Row = readonly [what: string, spec: Loose, errors: readonly string[]];

const C = "spec.containers[0]";
const init = (more: Loose): Loose => podSpec({ initContainers: [{ name: "i", image: "x:1", ...more }] });
const podContext = (securityContext: Loose, more: Loose = {}): Loose => podSpec({ securityContext, ...more });
const affine = (affinity: Loose): Loose => podSpec({ affinity });
const spread = (more: Loose): Loose =>
  podSpec({
    topologySpreadConstraints: [{ maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule", ...more }],
  });

const containers: readonly Row[] = [
  [
    "a port's name twice",
    withContainer({
      ports: [
        { name: "a", containerPort: 1 },
        { name: "a", containerPort: 2 },
      ],
    }),
    [`${C}.ports[1].name: Duplicate value: "a"`],
  ],
  [
    "host ports beside the host's network",
    { ...withContainer({ ports: [{ containerPort: 1, hostPort: 2 }] }), hostNetwork: true },
    [`${C}.ports[0].hostPort: Invalid value: 2: must match \`containerPort\` when \`hostNetwork\` is true`],
  ],
  [
    "a gRPC probe without a port",
    withContainer({ livenessProbe: { grpc: {} } }),
    [`${C}.livenessProbe.grpc.port: Invalid value: 0: must be between 1 and 65535, inclusive`],
  ],
  [
    "a grace period of a readiness probe",
    withContainer({ readinessProbe: { exec: { command: ["x"] }, terminationGracePeriodSeconds: 5 } }),
    [`${C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes`],
  ],
  [
    "a hook that sleeps too long",
    { ...withContainer({ lifecycle: { preStop: { sleep: { seconds: 9 } } } }), terminationGracePeriodSeconds: 5 },
    [
      `${C}.lifecycle.preStop.sleep: Invalid value: 9: must be non-negative and less than terminationGracePeriodSeconds (5)`,
    ],
  ],
  [
    "a header that is none",
    withContainer({ livenessProbe: { httpGet: { port: 1, httpHeaders: [{ name: "a b", value: "" }] } } }),
    [`${C}.livenessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must`],
  ],
  [
    "resize policies",
    { ...withContainer({ resizePolicy: [{ resourceName: "gpu", restartPolicy: "Maybe" }] }) },
    [
      `${C}.resizePolicy: Unsupported value: "gpu": supported values: "cpu", "memory"`,
      `${C}.resizePolicy: Unsupported value: "Maybe": supported values: "NotRequired", "RestartContainer"`,
    ],
  ],
  [
    "restart rules without a policy",
    withContainer({ restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [1] } }] }),
    [`${C}.restartPolicy: Required value: must specify restartPolicy when restart rules are used`],
  ],
  [
    "restart rules",
    withContainer({ restartPolicy: "Never", restartPolicyRules: [{ action: "Stop" }] }),
    [
      `${C}.restartPolicyRules[0].action: Unsupported value: "Stop"`,
      `${C}.restartPolicyRules[0].exitCodes: Required value: must be specified`,
    ],
  ],
  [
    "rules of a sidecar",
    init({
      restartPolicy: "Always",
      restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [1] } }],
    }),
    ["spec.initContainers[0].restartPolicyRules: Forbidden"],
  ],
  [
    "probes of init containers",
    init({ readinessProbe: { exec: { command: ["x"] } } }),
    [
      "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
    ],
  ],
  ["probes of sidecars", init({ restartPolicy: "Always", readinessProbe: { exec: { command: ["x"] } } }), []],
  [
    "a file as a variable",
    {
      ...withContainer({
        env: [{ name: "A", valueFrom: { fileKeyRef: { volumeName: "v", path: "../x", key: "A" } } }],
      }),
    },
    [
      `${C}.env[0].valueFrom.fileKeyRef.path: Invalid value: "../x": must not contain '..'`,
      `${C}.env[0].valueFrom.fileKeyRef.volumeName: Not found: "v"`,
    ],
  ],
  [
    "a divisor",
    withContainer({ env: [{ name: "A", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "3" } } }] }),
    [
      `${C}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
    ],
  ],
  [
    "a label's key",
    withContainer({ env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.labels['a b']" } } }] }),
    [`${C}.env[0].valueFrom.fieldRef: Invalid value: "a b": name part must consist of`],
  ],
  [
    "huge pages alone",
    withContainer({ resources: { limits: { "hugepages-2Mi": "3Mi" } } }),
    [
      `${C}.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi`,
      `${C}.resources.requests[hugepages-2Mi]: Invalid value: "3Mi"`,
      `${C}.resources: Forbidden: HugePages require cpu or memory`,
    ],
  ],
  [
    "half a device",
    withContainer({ resources: { limits: { "example.com/gpu": "500m" } } }),
    [
      `${C}.resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer`,
      `${C}.resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer`,
    ],
  ],
  [
    "unknown resources",
    withContainer({ resources: { limits: { gpu: "1" } } }),
    [
      `${C}.resources.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified`,
      `${C}.resources.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers`,
      `${C}.resources.requests[gpu]`,
      `${C}.resources.requests[gpu]`,
    ],
  ],
  [
    "claims that the Pod has not",
    withContainer({ resources: { claims: [{ name: "gpu" }] } }),
    [`${C}.resources.claims[0]: Not found: "gpu": must be one of the names in pod.spec.resourceClaims which is empty`],
  ],
  [
    "escalation and privileges",
    withContainer({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
    [`${C}.securityContext: Invalid value: `],
  ],
  [
    "an unmasked /proc of the host's users",
    withContainer({ securityContext: { procMount: "Unmasked" } }),
    [`${C}.securityContext.procMount: Invalid value: "Unmasked": \`hostUsers\` must be false to use \`Unmasked\``],
  ],
  [
    "a seccomp profile",
    withContainer({ securityContext: { seccompProfile: { type: "Localhost", localhostProfile: "/a" } } }),
    [`${C}.securityContext.seccompProfile.localhostProfile: Invalid value: "/a": must be a relative path`],
  ],
];

const pods: readonly Row[] = [
  [
    "sysctls of the host",
    podContext({ sysctls: [{ name: "net.core.somaxconn", value: "1" }] }, { hostNetwork: true }),
    [
      "spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be specified when 'hostNetwork' is true",
    ],
  ],
  [
    "AppArmor without a profile",
    podContext({ appArmorProfile: { type: "Localhost" } }),
    [
      "spec.securityContext.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost",
    ],
  ],
  [
    "SELinux",
    podContext({ seLinuxChangePolicy: "Never" }),
    [
      'spec.securityContext.seLinuxChangePolicy: Unsupported value: "Never": supported values: "MountOption", "Recursive"',
    ],
  ],
  [
    "a Windows user",
    podContext({ windowsOptions: { runAsUserName: "a\\b\\c" } }),
    [
      'spec.securityContext.windowsOptions.runAsUserName: Invalid value: "a\\\\b\\\\c": runAsUserName cannot contain more than one backslash',
    ],
  ],
  [
    "Windows on the host, without its network",
    podContext({ windowsOptions: { hostProcess: true } }),
    ["spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers"],
  ],
  [
    "Linux' fields for Windows",
    podContext({ runAsUser: 1 }, { os: { name: "windows" }, hostPID: true }),
    [
      "spec.hostPID: Forbidden: cannot be set for a windows pod",
      "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
    ],
  ],
  [
    "Windows' fields for Linux",
    podContext({ windowsOptions: {} }, { os: { name: "linux" } }),
    ["spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"],
  ],
  [
    "own users and the host's network",
    podSpec({ hostUsers: false, hostNetwork: true }),
    ["spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false"],
  ],
  [
    "one domain twice",
    spread({ whenUnsatisfiable: "ScheduleAnyway", minDomains: 2 }),
    [
      "spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
    ],
  ],
  [
    "keys without a selector",
    spread({ matchLabelKeys: ["a"] }),
    [
      "spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
    ],
  ],
  [
    "a node's field",
    affine({
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchFields: [{ key: "spec.x", operator: "In", values: ["a"] }] }],
        },
      },
    }),
    [
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].key: Invalid value: "spec.x": not a valid field selector key',
    ],
  ],
  [
    "a weight",
    affine({
      podAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 101, podAffinityTerm: { topologyKey: "a" } }],
      },
    }),
    [
      "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100",
    ],
  ],
  [
    "keys on both sides",
    affine({
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: "a", labelSelector: {}, matchLabelKeys: ["k"], mismatchLabelKeys: ["k"] },
        ],
      },
    }),
    [
      'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys[0]: Invalid value: "k": exists in both matchLabelKeys and mismatchLabelKeys',
    ],
  ],
  [
    "a search path",
    podSpec({ dnsConfig: { searches: ["_srv.example.com.", "A"] } }),
    [
      "spec.dnsConfig.searches[1]: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-', '_' or '.'",
    ],
  ],
  [
    "two names of the host",
    podSpec({ hostnameOverride: "a", setHostnameAsFQDN: true }),
    ["spec.hostnameOverride: Forbidden"],
  ],
  [
    "claims",
    podSpec({ resourceClaims: [{ name: "a" }, { name: "a", resourceClaimName: "x" }] }),
    ["spec.resourceClaims[0]: Invalid value: ", 'spec.resourceClaims[1].name: Duplicate value: "a"'],
  ],
  [
    "resources of the whole Pod",
    {
      ...withContainer({ resources: { requests: { cpu: "2" } } }),
      resources: { requests: { cpu: "1" }, limits: { disk: "1" } },
    },
    [
      'spec.resources.limits[disk]: Invalid value: "disk": must be a standard resource type or fully qualified',
      'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2',
    ],
  ],
  [
    "overhead",
    podSpec({ overhead: { cpu: "-1" } }),
    ['spec.overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
  ],
  [
    "gates twice",
    podSpec({ schedulingGates: [{ name: "a/b" }, { name: "a/b" }] }),
    ['spec.schedulingGates[1]: Duplicate value: "a/b"'],
  ],
  [
    "a gated Pod with a node",
    podSpec({ schedulingGates: [{ name: "a/b" }], nodeName: "n" }),
    ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
  ],
];

describe.each<[string, readonly Row[]]>([
  ["containers", containers],
  ["Pods", pods],
])("what may not be of %s:", (_name, rows) => {
  test.each(rows)("%s", (_what, spec, starts) => {
    const { errors } = tryCreate("pods", { spec });
    expect(errors.map((error, index) => error.slice(0, (starts[index] ?? error).length))).toEqual(starts);
  });
});

describe("annotations", () => {
  test.each<[string, Record<string, string>, Loose, readonly string[]]>([
    [
      "the cost of deletion",
      { "controller.kubernetes.io/pod-deletion-cost": "+1" },
      {},
      [
        'metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "+1": must be a 32bit integer',
      ],
    ],
    [
      "a mirror",
      { "kubernetes.io/config.mirror": "x" },
      {},
      [
        'metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set',
      ],
    ],
    [
      "AppArmor of no container",
      { "container.apparmor.security.beta.kubernetes.io/x": "runtime/default" },
      {},
      [
        'metadata.annotations[container.apparmor.security.beta.kubernetes.io/x]: Invalid value: "x": container not found',
      ],
    ],
    [
      "AppArmor unlike the field",
      { "container.apparmor.security.beta.kubernetes.io/c": "unconfined" },
      { securityContext: { appArmorProfile: { type: "RuntimeDefault" } } },
      [
        "spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must match",
      ],
    ],
  ])("%s", (_what, annotations, more, errors) => {
    expect(tryCreate("pods", { metadata: { annotations }, spec: podSpec(more) }).errors).toEqual(errors);
  });
});
