import { describe, expect, test } from "vitest";
import {
  job,
  type Loose,
  minimal,
  podSpec,
  rowOf,
  selector,
  template,
  tryCreate,
  tryUpdate,
} from "./sample-objects.ts";

/** A kind's spec with something in it, and everything that is said about it: starts of "field: message". */
type Row = readonly [plural: string, more: Loose, errors: readonly string[]];

const starting = (errors: readonly string[], starts: readonly string[]): string[] =>
  errors.map((error, index) => error.slice(0, (starts[index] ?? error).length));
const T = "spec.template.spec";
const indexed = { completionMode: "Indexed", completions: 3 };
const metric = (one: Loose): Loose => ({ metrics: [one] });

const rows: readonly Row[] = [
  [
    "deployments",
    { strategy: { type: "Blue" } },
    [
      'spec.strategy: Unsupported value: {"Type":"Blue","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"',
    ],
  ],
  [
    "deployments",
    { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: "0%" } } },
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
  ],
  [
    "deployments",
    { minReadySeconds: 700 },
    ["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
  ],
  [
    "deployments",
    { template: template(podSpec({ activeDeadlineSeconds: 5 })) },
    [`${T}.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported`],
  ],
  [
    "statefulsets",
    { updateStrategy: { type: "OnDelete", rollingUpdate: { partition: 1 } } },
    ["spec.updateStrategy.rollingUpdate: Invalid value: "],
  ],
  ["statefulsets", { serviceName: "a.b" }, ['spec.serviceName: Invalid value: "a.b": must not contain dots']],
  [
    "statefulsets",
    {
      template: template(
        podSpec({ containers: [{ name: "c", image: "x:1", volumeMounts: [{ name: "data", mountPath: "/d" }] }] }),
      ),
    },
    [`${T}.containers[0].volumeMounts[0].name: Not found: "data"`],
  ],
  [
    "statefulsets",
    {
      template: template(
        podSpec({ containers: [{ name: "c", image: "x:1", volumeMounts: [{ name: "data", mountPath: "/d" }] }] }),
      ),
      volumeClaimTemplates: [
        {
          metadata: { name: "data" },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
        },
      ],
    },
    [],
  ],
  [
    "daemonsets",
    { updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } },
    ["spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"],
  ],
  ["daemonsets", { selector: {} }, ["spec.selector: Invalid value: {}: empty selector is invalid for daemonset"]],
  [
    "replicationcontrollers",
    { selector: { app: "other" } },
    ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
  ],
  [
    "jobs",
    { completionMode: "Indexed", parallelism: 2 },
    ["spec.completions: Required value: when completion mode is Indexed"],
  ],
  [
    "jobs",
    { backoffLimitPerIndex: 1 },
    ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
  ],
  [
    "jobs",
    { ...indexed, maxFailedIndexes: 5, backoffLimitPerIndex: 1 },
    ["spec.maxFailedIndexes: Invalid value: 5: must be less than or equal to completions"],
  ],
  [
    "jobs",
    { managedBy: "me" },
    ['spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'],
  ],
  [
    "jobs",
    { podFailurePolicy: { rules: [{ action: "FailIndex", onExitCodes: { operator: "In", values: [0, 0] } }] } },
    [
      'spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
      "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator",
      "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0",
      "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Duplicate value: 0",
    ],
  ],
  [
    "jobs",
    { podFailurePolicy: { rules: [{ action: "Ignore" }] } },
    ["spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"],
  ],
  [
    "jobs",
    { ...indexed, successPolicy: { rules: [{ succeededIndexes: "0,2-1", succeededCount: 9 }] } },
    [
      'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0,2-1": error parsing succeededIndexes: non-increasing order, previous: 2, current: 1',
      "spec.successPolicy.rules[0].succeededCount: Invalid value: 9: must be less than or equal to 3 (the number of specified completions)",
      "spec.successPolicy.rules[0].succeededCount: Invalid value: 9: must be less than or equal to 0",
    ],
  ],
  [
    "jobs",
    { template: { spec: podSpec() } },
    [`${T}.restartPolicy: Required value: valid values: "OnFailure", "Never"`],
  ],
  [
    "cronjobs",
    { schedule: "60 * * * *" },
    ['spec.schedule: Invalid value: "60 * * * *": end of range (60) above maximum (59): 60'],
  ],
  [
    "cronjobs",
    { schedule: "* * * *" },
    ['spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]'],
  ],
  [
    "cronjobs",
    { schedule: "*/0 * * * *" },
    ['spec.schedule: Invalid value: "*/0 * * * *": step of range should be a positive number: */0'],
  ],
  [
    "cronjobs",
    { schedule: "x * * jan-dec mon" },
    [
      'spec.schedule: Invalid value: "x * * jan-dec mon": failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax',
    ],
  ],
  [
    "cronjobs",
    { schedule: "@every 1x" },
    ['spec.schedule: Invalid value: "@every 1x": failed to parse duration @every 1x: time: invalid duration "1x"'],
  ],
  [
    "cronjobs",
    { schedule: "TZ=UTC 0 * * * *" },
    [
      'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    ],
  ],
  ["cronjobs", { timeZone: "Mars/Base" }, ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base']],
  [
    "horizontalpodautoscalers",
    { minReplicas: 0 },
    [
      "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas",
      "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
    ],
  ],
  [
    "horizontalpodautoscalers",
    metric({ type: "Pods" }),
    ["spec.metrics[0].pods: Required value: must populate information for the given metric source"],
  ],
  [
    "horizontalpodautoscalers",
    metric({ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 0 } } }),
    ["spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"],
  ],
  [
    "horizontalpodautoscalers",
    { behavior: { scaleDown: { policies: [], stabilizationWindowSeconds: 4000 } } },
    [
      "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to 3600",
      "spec.behavior.scaleDown.policies: Required value: must specify at least one Policy",
    ],
  ],
  ["poddisruptionbudgets", { maxUnavailable: 1 }, ["spec: Invalid value: "]],
  [
    "resourcequotas",
    { hard: { cpus: "1", pods: "500m" } },
    [
      'spec.hard[cpus]: Invalid value: "cpus": must be a standard resource type or fully qualified',
      'spec.hard[cpus]: Invalid value: "cpus": must be a standard resource for quota',
      'spec.hard[pods]: Invalid value: "500m": must be an integer',
    ],
  ],
  [
    "resourcequotas",
    { scopes: ["BestEffort", "NotBestEffort"] },
    ['spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes'],
  ],
  [
    "resourcequotas",
    { hard: { services: "1" }, scopes: ["Terminating"] },
    ['spec.scopes: Invalid value: ["Terminating"]: unsupported scope applied to resource'],
  ],
  [
    "resourcequotas",
    { scopeSelector: { matchExpressions: [{ scopeName: "PriorityClass", operator: "In" }] } },
    ["spec.scopeSelector.matchExpressions.values: Required value: must be at least one value"],
  ],
  [
    "limitranges",
    { limits: [{ type: "Container", max: { cpu: "1" }, default: { cpu: "2" } }] },
    [
      'spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than max value 1',
      'spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1',
    ],
  ],
  [
    "limitranges",
    { limits: [{ type: "Pod", default: { cpu: "1" } }] },
    ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
  ],
  [
    "limitranges",
    { limits: [{ type: "Pod", min: { cpu: "1" }, max: { cpu: "2" }, maxLimitRequestRatio: { cpu: "3" } }] },
    ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000'],
  ],
  [
    "limitranges",
    { limits: [{ type: "PersistentVolumeClaim" }] },
    [
      "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided",
    ],
  ],
];

test.each(rows)("%s with %j", (plural, more, starts) => {
  const base = minimal[plural] ?? {};
  const { errors } = tryCreate(plural, { ...base, spec: { ...(base["spec"] as Loose), ...more } });
  expect(starting(errors, starts)).toEqual(starts);
});

describe("other kinds", () => {
  test.each<[string, Loose, readonly string[]]>([
    [
      "priorityclasses",
      { metadata: { name: "system-mine" }, value: 1 },
      [
        "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class",
      ],
    ],
    [
      "secrets",
      { type: "kubernetes.io/dockerconfigjson", stringData: { ".dockerconfigjson": "[]" } },
      [
        'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of type map[string]interface {}',
      ],
    ],
    [
      "secrets",
      { type: "kubernetes.io/basic-auth" },
      ["data[username]: Required value", "data[password]: Required value"],
    ],
    [
      "controllerrevisions",
      { revision: -1 },
      ["data: Required value: data is mandatory", "revision: Invalid value: -1: must be greater than or equal to 0"],
    ],
    [
      "nodes",
      {
        spec: {
          taints: [
            { key: "a", effect: "NoSchedule" },
            { key: "a", effect: "NoSchedule" },
          ],
        },
      },
      [
        'metadata.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule"}: taints must be unique by key and effect pair',
      ],
    ],
    [
      "nodes",
      { spec: { podCIDRs: ["10.0.0.0/24", "10.0.1.0/24"] } },
      [
        'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family',
      ],
    ],
    [
      "events",
      { involvedObject: {}, eventTime: "2026-01-01T00:00:00.000000Z" },
      [
        "reportingComponent: Required value",
        "reportingComponent: Invalid value",
        "reportingComponent: Invalid value",
        "reportingInstance: Required value",
        "action: Required value",
        "reason: Required value",
      ],
    ],
  ])("%s with %j", (plural, body, starts) => {
    expect(starting(tryCreate(plural, body).errors, starts)).toEqual(starts);
  });
});

describe("updates", () => {
  const stored = (plural: string, more: Loose = {}) =>
    tryCreate(plural, { ...minimal[plural], spec: { ...(minimal[plural]?.["spec"] as Loose), ...more } }).object;
  const change = (plural: string, old: Loose, more: Loose) =>
    tryUpdate(plural, old as never, (one) => Object.assign(one["spec"] as Loose, more)).errors;

  test("an Indexed Job grows in tandem only", () => {
    const old = stored("jobs", { ...indexed, parallelism: 3 });
    expect(change("jobs", old, { completions: 5, parallelism: 5 })).toEqual([]);
    expect(change("jobs", old, { completions: 5 })).toEqual([
      "spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism",
    ]);
  });

  test("a suspended Job may be steered, a running one not", () => {
    const { spec } = job() as { spec: { template: { spec: Loose } } };
    for (const suspend of [true, false]) {
      const old = stored("jobs", { suspend });
      const { template: before } = old["spec"] as { template: { spec: Loose } };
      const next = { ...before, spec: { ...before.spec, nodeSelector: { a: "b" } } };
      expect(change("jobs", old, { template: next }).length, `${suspend} ${spec}`).toBe(suspend ? 0 : 1);
    }
  });

  test("a gated Pod's nodes may be narrowed, not widened", () => {
    const old = tryCreate("pods", {
      spec: podSpec({ schedulingGates: [{ name: "a/b" }], nodeSelector: { a: "1" } }),
    }).object;
    expect(change("pods", old, { nodeSelector: { a: "1", b: "2" } })).toEqual([]);
    expect(change("pods", old, { nodeSelector: { a: "2" } })).toEqual([
      'spec.nodeSelector: Invalid value: {"a":"2"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)',
    ]);
    expect(
      change("pods", old, { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } } }),
    ).toEqual([]);
  });

  test("a DaemonSet counts its templates where older clients look", () => {
    const old = stored("daemonsets", { selector });
    expect(old.metadata.annotations).toEqual({ "deprecated.daemonset.template.generation": "1" });
    const next = tryUpdate("daemonsets", old, (one) =>
      Object.assign(one["spec"] as Loose, { template: template(podSpec({ hostPID: true })) }),
    );
    expect(next.object.metadata.annotations).toEqual({ "deprecated.daemonset.template.generation": "2" });
  });

  test("a Pod's status keeps what it cannot know better", () => {
    const old = tryCreate("pods", { spec: podSpec() }).object;
    const next = structuredClone(old) as Loose & typeof old;
    next["status"] = { phase: "Running" };
    rowOf("pods").strategy.prepareForStatusUpdate?.(next, old, 0);
    expect(next["status"]).toEqual({ phase: "Running", qosClass: "BestEffort" });
  });
});
