/** Pod security: every check of both standards, in Kubernetes' words, and what namespaces do with them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { detailsOf, type Standard, violations } from "./pod-security/standards.ts";

type Loose = Record<string, unknown>;
const withContainer = (more: Loose, spec: Loose = {}) => ({
  containers: [{ name: "c", image: "i", ...more }],
  ...spec,
});
const secure = (securityContext: Loose, spec: Loose = {}) => withContainer({ securityContext }, spec);
const found = (standard: Standard, spec: Loose, annotations = {}) =>
  detailsOf(violations(standard, { metadata: { annotations }, spec: spec as never }));

const baseline = { level: "baseline", version: "latest" } as const;
const restricted = { level: "restricted", version: "latest" } as const;
const HARDENED = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};
const hardened = (more: Loose = {}, spec: Loose = {}) => secure({ ...HARDENED, ...more }, spec);

describe("baseline forbids", () => {
  test.each<[string, Loose, string]>([
    ["nothing about an ordinary Pod", withContainer({}), ""],
    [
      "host namespaces",
      withContainer({}, { hostNetwork: true, hostPID: true }),
      "host namespaces (hostNetwork=true, hostPID=true)",
    ],
    [
      "privileges",
      secure({ privileged: true }),
      'privileged (container "c" must not set securityContext.privileged=true)',
    ],
    [
      "capabilities",
      secure({ capabilities: { add: ["SYS_ADMIN", "CHOWN", "NET_RAW"] } }),
      'non-default capabilities (container "c" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add)',
    ],
    [
      "paths of the host",
      withContainer(
        {},
        {
          volumes: [
            { name: "a", hostPath: { path: "/" } },
            { name: "b", hostPath: { path: "/" } },
          ],
        },
      ),
      'hostPath volumes (volumes "a", "b")',
    ],
    [
      "host ports",
      withContainer({
        ports: [
          { containerPort: 1, hostPort: 80 },
          { containerPort: 2, hostPort: 443 },
        ],
      }),
      'hostPort (container "c" uses hostPorts 443, 80)',
    ],
    [
      "hosts of probes",
      withContainer({ livenessProbe: { httpGet: { host: "1.2.3.4", port: 1 } } }),
      'probe or lifecycle host (container "c" uses probe or lifecycle host "1.2.3.4")',
    ],
    [
      "an unmasked /proc",
      secure({ procMount: "Unmasked" }),
      'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ],
    [
      "SELinux types, users and roles",
      secure({ seLinuxOptions: { type: "spc_t", user: "u" } }, { securityContext: { seLinuxOptions: { role: "r" } } }),
      'seLinuxOptions (pod and container "c" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set; role may not be set)',
    ],
    [
      "no seccomp profile",
      secure({ seccompProfile: { type: "Unconfined" } }),
      'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
    [
      "no AppArmor profile",
      secure({ appArmorProfile: { type: "Unconfined" } }),
      'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")',
    ],
    [
      "sysctls",
      withContainer(
        {},
        {
          securityContext: {
            sysctls: [
              { name: "kernel.msgmax", value: "1" },
              { name: "net.ipv4.tcp_rmem", value: "1" },
            ],
          },
        },
      ),
      "forbidden sysctls (kernel.msgmax)",
    ],
    [
      "host processes",
      withContainer({}, { securityContext: { windowsOptions: { hostProcess: true } } }),
      "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
    ],
    [
      "the same in init containers",
      { containers: [{ name: "c" }], initContainers: [{ name: "i", securityContext: { privileged: true } }] },
      'privileged (container "i" must not set securityContext.privileged=true)',
    ],
  ])("%s", (_what, spec, message) => {
    expect(found(baseline, spec)).toBe(message);
  });

  test("profiles in annotations", () => {
    const key = "container.apparmor.security.beta.kubernetes.io/c";
    expect(found(baseline, withContainer({}), { [key]: "unconfined" })).toBe(
      `forbidden AppArmor profile (annotation must not set AppArmor profile type to "${key}="unconfined"")`,
    );
  });
});

describe("restricted also forbids", () => {
  test.each<[string, Loose, string]>([
    ["nothing about a hardened Pod", hardened(), ""],
    [
      "what an ordinary Pod does not say",
      withContainer({}),
      'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    ],
    ["root", hardened({ runAsUser: 0 }), 'runAsUser=0 (container "c" must not set runAsUser=0)'],
    [
      "saying that root is fine",
      hardened({ runAsNonRoot: false }),
      'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)',
    ],
    [
      "volumes of other types, once",
      hardened(
        {},
        {
          volumes: [
            { name: "a", hostPath: { path: "/" } },
            { name: "b", nfs: { server: "s", path: "/" } },
          ],
        },
      ),
      'restricted volume types (volumes "a", "b" use restricted volume types "hostPath", "nfs")',
    ],
    [
      "capabilities, once",
      hardened({ capabilities: { drop: ["ALL"], add: ["CHOWN", "NET_BIND_SERVICE"] } }),
      'unrestricted capabilities (container "c" must not include "CHOWN" in securityContext.capabilities.add)',
    ],
    [
      "an unmasked /proc, with own users too",
      hardened({ procMount: "Unmasked" }, { hostUsers: false }),
      'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ],
  ])("%s", (_what, spec, message) => {
    expect(found(restricted, spec)).toBe(message);
  });

  test("what the Pod says for all its containers counts", () => {
    const context = { runAsNonRoot: true, seccompProfile: { type: "Localhost", localhostProfile: "p" } };
    const own = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
    expect(found(restricted, secure(own, { securityContext: context }))).toBe("");
  });
});

describe("older versions", () => {
  test.each<[string, Standard, Loose, string]>([
    [
      "know no hosts of probes",
      { level: "baseline", version: 33 },
      withContainer({ livenessProbe: { tcpSocket: { host: "h", port: 1 } } }),
      "",
    ],
    [
      "allow fewer sysctls",
      { level: "baseline", version: 28 },
      withContainer({}, { securityContext: { sysctls: [{ name: "net.ipv4.tcp_fin_timeout", value: "1" }] } }),
      "forbidden sysctls (net.ipv4.tcp_fin_timeout)",
    ],
    ["know no root user", { level: "restricted", version: 22 }, hardened({ runAsUser: 0 }), ""],
    [
      "ask Windows for Linux' settings",
      { level: "restricted", version: 24 },
      secure(
        { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" }, capabilities: { drop: ["ALL"] } },
        { os: { name: "windows" } },
      ),
      'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
    ],
    [
      "give Pods with own users nothing",
      { level: "restricted", version: 34 },
      hardened({ runAsUser: 0 }, { hostUsers: false }),
      'runAsUser=0 (container "c" must not set runAsUser=0)',
    ],
  ])("%s", (_what, standard, spec, message) => {
    expect(found(standard, spec)).toBe(message);
  });
});

describe("a namespace", () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await startPipeline();
  });
  afterAll(() => pipeline.close());
  const send = (method: string, path: string, body?: unknown) =>
    pipeline.send({ method, path, ...(body === undefined ? {} : { body }) });
  const warnings = (headers: Readonly<Record<string, unknown>>) => [headers["warning"] ?? []].flat();
  const label = (mode: string) => `pod-security.kubernetes.io/${mode}`;

  async function namespace(name: string, labels: Record<string, string>): Promise<string> {
    const { status } = await send("POST", "/api/v1/namespaces", { metadata: { name, labels } });
    expect(status).toBe(201);
    await send("POST", `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: "default" } });
    return `/api/v1/namespaces/${name}`;
  }
  const pod = (name: string, spec: Loose = withContainer({})) => ({ metadata: { name }, spec });

  test("that enforces refuses Pods, but only warns about what makes them", async () => {
    const base = await namespace("strict", { [label("enforce")]: "restricted" });
    const { status, value } = await send(
      "POST",
      `${base}/pods`,
      pod("x", {
        containers: [{ name: "c", image: "i", securityContext: { ...HARDENED, allowPrivilegeEscalation: true } }],
      }),
    );
    expect(status).toBe(403);
    expect(value.message).toBe(
      'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
    );
    const template = { metadata: { labels: { a: "b" } }, spec: hardened({ runAsUser: 0 }) };
    const deployment = { metadata: { name: "d" }, spec: { selector: { matchLabels: { a: "b" } }, template } };
    const made = await send("POST", "/apis/apps/v1/namespaces/strict/deployments", deployment);
    expect(made.status).toBe(201);
    expect(warnings(made.headers)).toEqual([
      '299 - "would violate PodSecurity \\"restricted:latest\\": runAsUser=0 (container \\"c\\" must not set runAsUser=0)"',
    ]);
    expect((await send("POST", `${base}/pods`, pod("ok", hardened()))).status).toBe(201);
  });

  test("that warns lets Pods in with a warning, by the version that it names", async () => {
    const base = await namespace("warned", { [label("warn")]: "baseline", [label("warn-version")]: "v1.30" });
    const { status, headers } = await send("POST", `${base}/pods`, pod("x", withContainer({}, { hostNetwork: true })));
    expect(status).toBe(201);
    expect(warnings(headers)).toEqual([
      '299 - "would violate PodSecurity \\"baseline:v1.30\\": host namespaces (hostNetwork=true)"',
    ]);
  });

  test("that becomes stricter is told which of its Pods are not", async () => {
    const base = await namespace("tightened", {});
    for (const name of ["b", "a", "c"])
      await send("POST", `${base}/pods`, pod(name, withContainer({}, { hostPID: true })));
    await send("POST", `${base}/pods`, pod("d", secure({ privileged: true })));
    const { value } = await send("GET", base);
    value.metadata.labels[label("enforce")] = "baseline";
    const { status, headers } = await send("PUT", base, value);
    expect(status).toBe(200);
    expect(warnings(headers)).toEqual([
      '299 - "existing pods in namespace \\"tightened\\" violate the new PodSecurity enforce level \\"baseline:latest\\""',
      '299 - "a (and 2 other pods): host namespaces"',
      '299 - "d: privileged"',
    ]);
  });

  test("with labels that cannot be read is refused", async () => {
    const labels = { [label("enforce")]: "strict", [label("warn-version")]: "1.30" };
    const { status, value } = await send("POST", "/api/v1/namespaces", { metadata: { name: "bad", labels } });
    expect(status).toBe(422);
    expect(value.message).toBe(
      'Namespace "bad" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.30": must be "latest" or "v1.x"]',
    );
  });

  test("judges a Pod's update only where its images change", async () => {
    const base = await namespace("later", {});
    await send("POST", `${base}/pods`, pod("x", withContainer({}, { hostIPC: true })));
    const { value } = await send("GET", base);
    value.metadata.labels[label("enforce")] = "baseline";
    await send("PUT", base, value);
    const stored = (await send("GET", `${base}/pods/x`)).value;
    stored.metadata.labels = { a: "b" };
    expect(
      (await send("PUT", `${base}/pods/x`, { ...stored, metadata: { ...stored.metadata, resourceVersion: undefined } }))
        .status,
    ).toBe(200);
    stored.spec.containers[0].image = "other";
    expect(
      (await send("PUT", `${base}/pods/x`, { ...stored, metadata: { ...stored.metadata, resourceVersion: undefined } }))
        .status,
    ).toBe(403);
  });
});
