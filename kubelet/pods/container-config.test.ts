import { describe, expect, it } from "vitest";
import type { Container, Pod, Secret } from "../../machinery/objects/kinds.ts";
import { noCgroupFeatures } from "./cgroup-files.ts";
import { containerConfig } from "./container-config.ts";
import { hostsFile } from "./hosts-file.ts";
import { aPod, container } from "./pod.fixture.ts";
import { checkHostname, parseResolvConf, podDns } from "./pod-dns.ts";
import { credentialsFor } from "./pull-secrets.ts";
import { sandboxConfig } from "./sandbox-config.ts";
import { containerSecurity } from "./security.ts";

const GIB = 1024 ** 3;
const host = { servers: ["192.0.2.53"], searches: ["example.com"], options: ["timeout:1"] };
const dns = { clusterDns: ["10.43.0.10"], clusterDomain: "cluster.local", host };
const facts = { dns, logDirectory: "/logs/web", cgroupParent: "/k8ts/kubepods/poduid-1" };
const security = { seccompProfiles: "/profiles", seccompDefault: false };
type Spec = Partial<NonNullable<Pod["spec"]>>;

describe("container configuration", () => {
  const image = { id: "sha256:1", repoTags: [], repoDigests: [], size: 1, username: "", pinned: false };
  const config = (extra: Partial<Container>, spec: Spec = {}) => {
    const one = container("main", extra);
    const env = [{ key: "WHO", value: "world" }];
    return containerConfig(aPod({ containers: [one], ...spec }), one, {
      attempt: 2,
      image,
      imageRef: image.id,
      env,
      mounts: [],
      machine: { memoryBytes: 8 * GIB, cgroups: noCgroupFeatures },
      security,
    });
  };

  it("expands variables in command and arguments", () => {
    expect(config({ command: ["echo", "$(WHO)"], args: ["$(NOBODY)", "$$(WHO)"] })).toMatchObject({
      command: ["echo", "world"],
      args: ["$(NOBODY)", "$(WHO)"],
    });
  });
  it("says by which the kubelet finds it again", () => {
    expect(config({})).toMatchObject({
      metadata: { name: "main", attempt: 2 },
      labels: { "io.kubernetes.pod.uid": "uid-1", "io.kubernetes.container.name": "main" },
      annotations: {
        "io.kubernetes.container.restartCount": "2",
        "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
      },
      logPath: "main/2.log",
    });
  });
});

describe("security", () => {
  it("lets an ephemeral container into the processes of its target, where they are not shared anyway", () => {
    const namespaces = (spec: Spec) =>
      containerSecurity(aPod(spec), container("debugger"), { username: "" } as never, security, { target: "id-1" })
        .namespaceOptions;
    expect(namespaces({})).toMatchObject({ pid: "TARGET", targetId: "id-1" });
    expect(namespaces({ shareProcessNamespace: true })).toEqual({ network: "POD", pid: "POD", ipc: "POD" });
  });

  it("gives a Pod that asks for them users of its own", () => {
    const users = { hostId: 65_536, containerId: 0, length: 65_536 };
    const usernsOptions = { mode: "POD", uids: [users], gids: [users] };
    const found = containerSecurity(aPod(), container("main"), { username: "" } as never, security, { users });
    expect(found.namespaceOptions).toMatchObject({ usernsOptions });
    expect(sandboxConfig(aPod(), 0, { ...facts, users }).linux?.securityContext?.namespaceOptions).toMatchObject({
      usernsOptions,
    });
  });

  const of = (own: object, podWide: object = {}, image: object = { username: "" }) => {
    const one = container("main", { securityContext: own });
    return containerSecurity(aPod({ containers: [one], securityContext: podWide }), one, image as never, security);
  };

  it("takes the container's fields before the Pod's", () => {
    expect(of({ runAsUser: 5 }, { runAsUser: 7, runAsGroup: 8, fsGroup: 9, supplementalGroups: [10] })).toMatchObject({
      runAsUser: { value: 5 },
      runAsGroup: { value: 8 },
      supplementalGroups: [9, 10],
    });
  });
  it("takes the image's user where nobody names one", () => {
    expect(of({}, {}, { uid: { value: 33 }, username: "" })).toMatchObject({ runAsUser: { value: 33 } });
    expect(of({}, {}, { username: "www" })).toMatchObject({ runAsUsername: "www" });
    expect(of({ runAsGroup: 8 })).toMatchObject({ runAsUser: { value: 0 }, runAsGroup: { value: 8 } });
  });
  it("hides parts of /proc, unless privileged", () => {
    expect(of({}).maskedPaths).toContain("/proc/kcore");
    expect(of({ privileged: true })).toMatchObject({ privileged: true, maskedPaths: ["/proc/.nothing"] });
    expect(of({ procMount: "Unmasked" }).readonlyPaths).toEqual(["/proc/.nothing"]);
  });
  it("passes capabilities, seccomp and the rest", () => {
    const own = {
      capabilities: { add: ["NET_ADMIN"], drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      seccompProfile: { type: "RuntimeDefault" },
    };
    expect(of(own)).toMatchObject({
      capabilities: { addCapabilities: ["NET_ADMIN"], dropCapabilities: ["ALL"] },
      readonlyRootfs: true,
      noNewPrivs: true,
      seccomp: { profileType: "RuntimeDefault" },
    });
    expect(of({}).seccomp).toEqual({ profileType: "Unconfined" });
  });
  it("finds seccomp profiles among the node's, and may give all the runtime's", () => {
    const localhost = { seccompProfile: { type: "Localhost", localhostProfile: "audit/log.json" } };
    expect(of({}, localhost).seccomp).toEqual({
      profileType: "Localhost",
      localhostRef: "/profiles/audit/log.json",
    });
    expect(() => of({ seccompProfile: { type: "Localhost" } })).toThrow("localhostProfile must be set");
    const strict = { ...security, seccompDefault: true };
    const image = { username: "" } as never;
    const one = container("main");
    expect(containerSecurity(aPod(), one, image, strict).seccomp).toEqual({ profileType: "RuntimeDefault" });
  });
  const refused: readonly [string, object, object, string][] = [
    [
      "root by the Pod",
      { runAsNonRoot: true, runAsUser: 0 },
      { username: "" },
      `container's runAsUser breaks non-root policy (pod: "web_default(uid-1)", container: main)`,
    ],
    [
      "root by the image",
      { runAsNonRoot: true },
      { username: "" },
      `container has runAsNonRoot and image will run as root (pod: "web_default(uid-1)", container: main)`,
    ],
    [
      "a named user",
      { runAsNonRoot: true },
      { username: "www" },
      `container has runAsNonRoot and image has non-numeric user (www), cannot verify user is non-root (pod: "web_default(uid-1)", container: main)`,
    ],
  ];
  it.each(refused)("refuses %s where it must not be root", (_name, own, image, message) => {
    expect(() => of(own, {}, image)).toThrow(message);
  });
});

describe("sandbox configuration", () => {
  it("names the Pod, its ports on the host and its cgroup", () => {
    const ports = [{ containerPort: 80, hostPort: 8080 }, { containerPort: 81 }];
    const config = sandboxConfig(
      aPod({ containers: [container("main", { ports })] }, { labels: { app: "web" } }),
      1,
      facts,
    );
    expect(config).toMatchObject({
      metadata: { name: "web", namespace: "default", uid: "uid-1", attempt: 1 },
      hostname: "web",
      portMappings: [{ containerPort: 80, hostPort: 8080, protocol: "TCP" }],
      labels: { app: "web", "io.kubernetes.pod.name": "web" },
      linux: {
        cgroupParent: facts.cgroupParent,
        securityContext: { namespaceOptions: { network: "POD", pid: "CONTAINER", ipc: "POD" } },
      },
    });
  });
  it("is named by its FQDN where it asks for that, as far as a host's name goes", () => {
    const pod = (subdomain: string) => aPod({ hostname: "a", subdomain, setHostnameAsFQDN: true });
    expect(sandboxConfig(pod("web"), 0, facts).hostname).toBe("a.web.default.svc.cluster.local");
    expect(() => checkHostname(pod("web"), "cluster.local")).not.toThrow();
    expect(() => checkHostname(pod("x".repeat(50)), "cluster.local")).toThrow(
      "is too long (64 characters is the max, 78 characters requested)",
    );
  });
  it("shares the host's namespaces as asked", () => {
    const config = sandboxConfig(aPod({ hostNetwork: true, hostPID: true, hostIPC: true }), 0, facts);
    expect(config).toMatchObject({
      linux: { securityContext: { namespaceOptions: { network: "NODE", pid: "NODE", ipc: "NODE" } } },
    });
    expect(config.hostname).toBeUndefined(); // a runtime refuses to set the host's
    expect(config.portMappings).toBeUndefined();
    expect(
      sandboxConfig(aPod({ shareProcessNamespace: true }), 0, facts).linux?.securityContext?.namespaceOptions?.pid,
    ).toBe("POD");
  });
});

describe("DNS and hosts", () => {
  const cluster = {
    servers: ["10.43.0.10"],
    searches: ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.com"],
    options: ["ndots:5"],
  };
  const cases: readonly [string, Spec, object][] = [
    ["ClusterFirst", {}, cluster],
    ["ClusterFirst on the host's network", { hostNetwork: true }, host],
    ["ClusterFirstWithHostNet", { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" }, cluster],
    ["Default", { dnsPolicy: "Default" }, host],
    [
      "None",
      {
        dnsPolicy: "None",
        dnsConfig: {
          nameservers: ["192.0.2.1"],
          searches: ["a.b"],
          options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
        },
      },
      { servers: ["192.0.2.1"], searches: ["a.b"], options: ["ndots:2", "edns0"] },
    ],
    [
      "an option of its own",
      { dnsConfig: { options: [{ name: "ndots", value: "1" }] } },
      { ...cluster, options: ["ndots:1"] },
    ],
  ];
  it.each(cases)("%s", (_name, spec, wanted) => {
    expect(podDns(aPod(spec), dns)).toEqual(wanted);
  });

  it("leave the host's loopback out", () => {
    expect(
      parseResolvConf("# x\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch a.b c.d\noptions edns0 trust-ad\n"),
    ).toEqual({ servers: ["192.0.2.1"], searches: ["a.b", "c.d"], options: ["edns0", "trust-ad"] });
  });

  it("name the Pod, and its aliases", () => {
    const pod = aPod({ hostname: "a", subdomain: "web", hostAliases: [{ ip: "1.2.3.4", hostnames: ["x", "y"] }] });
    const lines = hostsFile(pod, ["10.42.0.2"], "cluster.local", "").split("\n");
    expect(lines).toContain("10.42.0.2\ta.web.default.svc.cluster.local\ta");
    expect(lines).toContain("1.2.3.4\tx\ty");
    expect(hostsFile(aPod({ hostNetwork: true }), [], "cluster.local", "127.0.0.1 me\n")).toContain("127.0.0.1 me");
  });
});

describe("pull secrets", () => {
  const secret = (auths: object) =>
    ({
      metadata: { name: "key", uid: "uid-key" },
      type: "kubernetes.io/dockerconfigjson",
      data: { ".dockerconfigjson": Buffer.from(JSON.stringify({ auths })).toString("base64") },
    }) as unknown as Secret;
  const auth = Buffer.from("me:pass:word").toString("base64");
  const cases: readonly [string, object, string | undefined][] = [
    ["registry.example.com/app:1", { "registry.example.com": { auth } }, "me"],
    [
      "registry.example.com/team/app:1",
      { "https://registry.example.com/v2/": { username: "all" }, "registry.example.com/team": { username: "team" } },
      "team",
    ],
    ["nginx:1.22", { "https://index.docker.io/v1/": { username: "hub" } }, "hub"],
    ["eu.example.com/app", { "*.example.com": { username: "any" } }, "any"],
    ["other.example.org/app", { "registry.example.com": { auth } }, undefined],
  ];
  it.each(cases)("for %s", (image, auths, username) => {
    expect(credentialsFor(image, [secret(auths)])[0]?.auth.username).toBe(username);
  });
  it("that cannot be read hold nothing", () => {
    expect(
      credentialsFor("a.b/c", [
        { type: "kubernetes.io/dockercfg", data: { ".dockercfg": "bm8=" } } as unknown as Secret,
      ]),
    ).toEqual([]);
  });
  it("are tried in turn, the most fitting first", () => {
    const auths = { "a.b": { username: "all" }, "a.b/team": { username: "team" }, "c.d": { username: "other" } };
    const found = credentialsFor("a.b/team/app:1", [secret(auths)]);
    expect(found.map(({ auth: { username } }) => username)).toEqual(["team", "all"]);
  });
  it("may have colons in the password", () => {
    expect(credentialsFor("a.b/c", [secret({ "a.b": { auth } })])[0]?.auth.password).toBe("pass:word");
  });
});
