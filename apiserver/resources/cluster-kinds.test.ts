/** Rules of Services, storage, networks, certificates and policies: what is sent, and everything that is said about it. */
import { describe, expect, test } from "vitest";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import { type Loose, minimal, service, tryCreate, tryUpdate } from "./sample-objects.ts";

type Case = readonly [plural: string, body: Loose, errors: readonly unknown[]];
const has = (text: string) => expect.stringContaining(text);
const claim = (more: Loose): Loose => ({ spec: { ...(minimal["persistentvolumeclaims"]!["spec"] as Loose), ...more } });
const volume = (more: Loose): Loose => ({ spec: { ...(minimal["persistentvolumes"]!["spec"] as Loose), ...more } });
const ingress = (path: Loose): Loose => ({ spec: { rules: [{ http: { paths: [path] } }] } });
const backend = { service: { name: "web", port: { number: 80 } } };
const policy = (ingressRule: Loose): Loose => ({ spec: { podSelector: {}, ingress: [ingressRule] } });
const hook = (more: Loose): Loose => ({
  webhooks: [
    {
      name: "a.example.com",
      admissionReviewVersions: ["v1"],
      sideEffects: "None",
      clientConfig: { service: { name: "s", namespace: "n" } },
      ...more,
    },
  ],
});

const cases: readonly Case[] = [
  [
    "services",
    service({ type: "ExternalName", ipFamilies: ["IPv4"] }),
    ["spec.ipFamilies: Forbidden: may not be set for ExternalName services", "spec.externalName: Required value"],
  ],
  [
    "services",
    service({ type: "NodePort", clusterIP: "None" }),
    ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
  ],
  [
    "services",
    service({ clusterIP: "10.0.0.1", clusterIPs: ["10.0.0.2"] }),
    ['spec.clusterIPs: Invalid value: ["10.0.0.2"]: first value must match `clusterIP`'],
  ],
  ["services", service({ clusterIPs: ["10.0.0.2"] }), [has("must be empty when `clusterIP` is not specified")]],
  [
    "services",
    service({ clusterIP: "None", clusterIPs: ["None", "10.0.0.1"] }),
    [has("'None' must be the first and only value")],
  ],
  [
    "services",
    service({
      ports: [
        { port: 80, name: "a" },
        { port: 80, name: "b" },
      ],
    }),
    [
      'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
    ],
  ],
  [
    "services",
    service({ ports: [{ port: 80, nodePort: 30000 }] }),
    ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  ],
  [
    "services",
    service({ externalIPs: ["127.0.0.1", "x"] }),
    [has("may not be in the loopback range"), has("must be a valid IP address")],
  ],
  [
    "services",
    service({ loadBalancerSourceRanges: ["10.0.0.0/8"] }),
    ["spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"],
  ],
  [
    "services",
    service({ type: "LoadBalancer", loadBalancerSourceRanges: ["10.0.0.0"] }),
    [has("spec.LoadBalancerSourceRanges[0]: Invalid value")],
  ],
  [
    "services",
    service({ loadBalancerClass: "a.b/c" }),
    ["spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"],
  ],
  [
    "services",
    service({ allocateLoadBalancerNodePorts: true }),
    ["spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'"],
  ],
  [
    "services",
    service({ healthCheckNodePort: 30000 }),
    [has("may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'")],
  ],
  [
    "services",
    service({ externalTrafficPolicy: "Local" }),
    [has("may only be set for externally-accessible services")],
  ],
  ["persistentvolumes", volume({ accessModes: [] }), ["spec.accessModes: Required value"]],
  [
    "persistentvolumes",
    volume({ capacity: { storage: "0" } }),
    ['spec.capacity[storage]: Invalid value: "0": must be greater than zero'],
  ],
  [
    "persistentvolumes",
    volume({ capacity: { cpu: "1" } }),
    [has('spec.capacity: Unsupported value: {"cpu":"1"}: supported values: "storage"')],
  ],
  [
    "persistentvolumes",
    volume({ nfs: { server: "s", path: "/" } }),
    ["spec.nfs: Forbidden: may not specify more than 1 volume type"],
  ],
  [
    "persistentvolumes",
    { spec: { accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" } } },
    ["spec: Required value: must specify a volume type"],
  ],
  [
    "persistentvolumes",
    volume({ hostPath: undefined, local: { path: "/d" } }),
    [has("may not specify more than 1"), has("Local volume requires node affinity")],
  ],
  [
    "persistentvolumes",
    volume({ hostPath: { path: "/" }, persistentVolumeReclaimPolicy: "Recycle" }),
    [has("may not be 'recycle' for a hostPath mount of '/'")],
  ],
  [
    "persistentvolumeclaims",
    claim({ accessModes: ["ReadWriteOnce", "ReadWriteOncePod"] }),
    ["spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"],
  ],
  ["persistentvolumeclaims", claim({ resources: {} }), ["spec.resources[storage]: Required value"]],
  [
    "persistentvolumeclaims",
    claim({ dataSource: { kind: "X", name: "a" } }),
    [has("must be 'PersistentVolumeClaim' when referencing the default apiGroup"), has("spec.dataSourceRef")],
  ],
  ["storageclasses", { provisioner: "p", volumeBindingMode: "Never" }, [has("volumeBindingMode: Unsupported value")]],
  [
    "storageclasses",
    { provisioner: "p", parameters: { "": "x" } },
    ['parameters: Invalid value: "": field can not be empty.'],
  ],
  [
    "volumeattributesclasses",
    { driverName: "d.io" },
    ["parameters: Required value: must contain at least one key/value pair"],
  ],
  [
    "csidrivers",
    { metadata: { name: "d.io" }, spec: { volumeLifecycleModes: ["x"] } },
    [has("spec.volumeLifecycleModes[0]: Unsupported value")],
  ],
  ["csidrivers", { metadata: { name: "d.io" }, spec: { tokenRequests: [{ expirationSeconds: 600 }] } }, []],
  [
    "csidrivers",
    { metadata: { name: "d.io" }, spec: { tokenRequests: [{}, { audience: "" }] } },
    ['spec.tokenRequests[1].audience: Duplicate value: ""'],
  ],
  [
    "volumeattachments",
    { spec: { attacher: "a.io", nodeName: "n", source: {} } },
    ["spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"],
  ],
  [
    "ingresses",
    ingress({ path: "x", pathType: "Exact", backend }),
    ['spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path'],
  ],
  ["ingresses", ingress({ path: "/a//b", pathType: "Prefix", backend }), [has("must not contain '//'")]],
  [
    "ingresses",
    ingress({ path: "/", pathType: "Prefix", backend: { service: { name: "web", port: { name: "a", number: 1 } } } }),
    [has("cannot set both port name & port number")],
  ],
  ["ingresses", { spec: { defaultBackend: backend, tls: [{ hosts: ["*.x", "a b"] }] } }, [has("spec.tls[0].hosts[1]")]],
  ["ingressclasses", { spec: { controller: "x" } }, [has('must be a domain-prefixed path (such as "acme.io/foo")')]],
  [
    "ingressclasses",
    { spec: { controller: "a.b/c", parameters: { kind: "K", name: "n", scope: "Namespace" } } },
    ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
  ],
  ["networkpolicies", policy({ from: [{}] }), ["spec.ingress[0].from[0]: Required value: must specify a peer"]],
  [
    "networkpolicies",
    policy({ from: [{ podSelector: {}, ipBlock: { cidr: "10.0.0.0/8" } }] }),
    [has("may not specify both ipBlock and another peer")],
  ],
  [
    "networkpolicies",
    policy({ from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["11.0.0.0/16", "10.1.0.0/16"] } }] }),
    ['spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`'],
  ],
  ["networkpolicies", policy({ ports: [{ port: 80, endPort: 70 }] }), [has("must be greater than or equal to `port`")]],
  ["networkpolicies", policy({ ports: [{ endPort: 70 }] }), [has("must be specified when `endPort` is specified")]],
  ["servicecidrs", { spec: { cidrs: [] } }, ["spec.cidrs: Required value: at least one CIDR required"]],
  [
    "servicecidrs",
    { spec: { cidrs: ["10.0.0.0/8", "11.0.0.0/8"] } },
    [has("may specify no more than one IP for each IP family")],
  ],
  ["ipaddresses", { metadata: { name: "10.0.0.1" }, spec: {} }, ["spec.parentRef: Required value"]],
  [
    "ipaddresses",
    { metadata: { name: "2001:DB8::1" }, spec: { parentRef: { resource: "a", name: "b" } } },
    [has("metadata.name"), has("must be in canonical form")],
  ],
  ["runtimeclasses", { handler: "A" }, [has("handler: Invalid value")]],
  [
    "leases",
    { spec: { preferredHolder: "a" } },
    ["spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined"],
  ],
  [
    "validatingwebhookconfigurations",
    hook({ name: "a.b" }),
    [has("should be a domain with at least three segments separated by dots")],
  ],
  [
    "validatingwebhookconfigurations",
    hook({ admissionReviewVersions: ["v2"] }),
    [has("must include at least one of v1, v1beta1")],
  ],
  [
    "validatingwebhookconfigurations",
    hook({ sideEffects: undefined }),
    ["webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun"],
  ],
  [
    "validatingwebhookconfigurations",
    hook({ clientConfig: {} }),
    ["webhooks[0].clientConfig: Required value: exactly one of url or service is required"],
  ],
  [
    "validatingwebhookconfigurations",
    hook({ clientConfig: { url: "http://a.b/c?d" } }),
    [has("'https' is the only allowed URL scheme"), has("query parameters are not permitted in the URL")],
  ],
  [
    "validatingwebhookconfigurations",
    hook({ timeoutSeconds: 31 }),
    [has("the timeout value must be between 1 and 30 seconds")],
  ],
  [
    "flowschemas",
    { spec: { priorityLevelConfiguration: { name: "x" }, matchingPrecedence: 1 } },
    [has("only the schema named 'exempt' may have matchingPrecedence 1")],
  ],
  [
    "prioritylevelconfigurations",
    { spec: { type: "Limited" } },
    ["spec.limited: Required value: must not be empty when type is Limited"],
  ],
  [
    "resourceclaims",
    { spec: { devices: { requests: [{ name: "a" }] } } },
    [has("exactly one of `exactly` or `firstAvailable` is required")],
  ],
];

test.each(cases)("%s: %j", (plural, body, errors) => {
  expect(tryCreate(plural, body).errors).toEqual(errors);
});

type Change = (object: Loose) => void;
const set =
  (...path: (string | number)[]) =>
  (value: unknown): Change =>
  (object) => {
    const last = path.at(-1)!;
    let at = object as Record<string | number, unknown>;
    for (const key of path.slice(0, -1)) {
      at[key] ??= {};
      at = at[key] as Record<string | number, unknown>;
    }
    at[last] = value;
  };
const stored = (plural: string, body: Loose): StoredObject & Loose => tryCreate(plural, body).object;

describe("an update", () => {
  test.each<[string, Loose, Change, unknown[]]>([
    [
      "services",
      service({ clusterIP: "10.0.0.1" }),
      (one) => Object.assign(one["spec"] as Loose, { clusterIP: "10.0.0.2", clusterIPs: ["10.0.0.2"] }),
      ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'],
    ],
    [
      "services",
      service({ type: "LoadBalancer", loadBalancerClass: "a.b/c" }),
      set("spec", "loadBalancerClass")("a.b/d"),
      ['spec.loadBalancerClass: Invalid value: "a.b/d": may not change once set'],
    ],
    [
      "persistentvolumes",
      volume({}),
      set("spec", "hostPath", "path")("/other"),
      [has("spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation")],
    ],
    [
      "persistentvolumes",
      volume({}),
      set("spec", "volumeMode")("Block"),
      ['volumeMode: Invalid value: "Block": field is immutable'],
    ],
    [
      "persistentvolumeclaims",
      claim({}),
      set("spec", "accessModes")(["ReadOnlyMany"]),
      [
        has(
          "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        ),
      ],
    ],
    ["persistentvolumeclaims", claim({}), set("spec", "volumeName")("pv"), []],
    [
      "storageclasses",
      { provisioner: "p" },
      set("parameters")({ a: "b" }),
      ["parameters: Forbidden: updates to parameters are forbidden."],
    ],
    [
      "ingressclasses",
      { spec: { controller: "a.b/c" } },
      set("spec", "controller")("a.b/d"),
      [has("field is immutable")],
    ],
    [
      "servicecidrs",
      { spec: { cidrs: ["10.0.0.0/8"] } },
      set("spec", "cidrs")(["11.0.0.0/8"]),
      [has("field is immutable")],
    ],
    [
      "runtimeclasses",
      { handler: "runc" },
      set("handler")("kata"),
      ['handler: Invalid value: "kata": field is immutable'],
    ],
    [
      "volumeattachments",
      { spec: { attacher: "a.io", nodeName: "n", source: { persistentVolumeName: "v" } } },
      set("spec", "nodeName")("m"),
      [has("field is immutable")],
    ],
  ])("of %s %j", (plural, body, change, errors) => {
    expect(tryUpdate(plural, stored(plural, body), change).errors).toEqual(errors);
  });

  test("may make a bound claim larger, not smaller than what it has", () => {
    const bound = stored("persistentvolumeclaims", claim({}));
    Object.assign(bound, { status: { phase: "Bound", capacity: { storage: "1Gi" } } });
    const ask = (storage: string) =>
      tryUpdate("persistentvolumeclaims", bound, set("spec", "resources", "requests", "storage")(storage));
    expect(ask("2Gi").errors).toEqual([]);
    expect(ask("500Mi").errors).toEqual([
      "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity",
    ]);
  });
});

test.each<[string, Loose, Loose]>([
  [
    "csidrivers",
    { spec: {} },
    { spec: { attachRequired: true, fsGroupPolicy: "ReadWriteOnceWithFSType", volumeLifecycleModes: ["Persistent"] } },
  ],
  [
    "mutatingwebhookconfigurations",
    hook({ rules: [{ operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*"] }] }),
    {
      webhooks: [
        {
          failurePolicy: "Fail",
          matchPolicy: "Equivalent",
          timeoutSeconds: 10,
          reinvocationPolicy: "Never",
          clientConfig: { service: { port: 443 } },
          rules: [{ scope: "*" }],
        },
      ],
    },
  ],
  [
    "ingressclasses",
    { spec: { controller: "a/b", parameters: { kind: "k", name: "n" } } },
    { spec: { parameters: { scope: "Cluster" } } },
  ],
  [
    "resourceclaims",
    { spec: { devices: { requests: [{ name: "a", exactly: { deviceClassName: "c" } }] } } },
    { spec: { devices: { requests: [{ exactly: { allocationMode: "ExactCount", count: 1 } }] } } },
  ],
  [
    "prioritylevelconfigurations",
    { spec: { type: "Limited", limited: { limitResponse: { type: "Queue", queuing: {} } } } },
    {
      spec: {
        limited: {
          nominalConcurrencyShares: 30,
          limitResponse: { queuing: { queues: 64, handSize: 8, queueLengthLimit: 50 } },
        },
      },
    },
  ],
  [
    "persistentvolumeclaims",
    claim({ dataSource: { kind: "PersistentVolumeClaim", name: "a" } }),
    { spec: { dataSourceRef: { kind: "PersistentVolumeClaim", name: "a" } } },
  ],
])("defaults of %s", (plural, body, expected) => {
  expect(tryCreate(plural, body).object).toMatchObject(expected);
});
