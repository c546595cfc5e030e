import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { homePaths } from "../../../machinery/process/home.ts";
import { silent } from "../../../machinery/process/logging.ts";
import type { PodSandboxConfig } from "../../cri/messages.ts";
import { underRoot } from "./cgroups.ts";
import { decode, encode, loadCri } from "./codec.ts";
import { containerdConfig } from "./config.ts";
import { credentialsFor } from "./credentials.ts";
import { prepareContainerd } from "./daemon.ts";
import { changes, type Known } from "./event-hub.ts";
import { containerdLayout } from "./layout.ts";
import { parseVersion, refuseNewer } from "./newer.ts";

const metadata = { name: "web", uid: "u1", namespace: "default", attempt: 0 };

describe("configuration of our containerd", () => {
  const layout = containerdLayout(homePaths("/home/k8ts"));
  const config = containerdConfig(layout, { cniBin: "/usr/lib/cni", mayLowerOomScore: false, appArmor: false });

  test("names no place of another containerd's", () => {
    const places = [...config.matchAll(/"(\/[^"]*)"/g)].map(([, path]) => path ?? "");
    expect(places.filter((path) => !path.startsWith("/home/k8ts/"))).toEqual(["/usr/lib/cni"]);
  });

  test("restricts oom_score_adj where the process may not lower it", () => {
    expect(config).toContain("restrict_oom_score_adj = true");
    const capable = containerdConfig(layout, { cniBin: "/x", mayLowerOomScore: true, appArmor: true });
    expect(capable).toContain("restrict_oom_score_adj = false");
  });

  test("needs a home short enough for sockets", async () => {
    const paths = homePaths(`/tmp/${"long".repeat(30)}`);
    await expect(prepareContainerd({ paths, log: silent })).rejects.toThrow("choose a shorter K8TS_HOME");
  });
});

describe("CRI messages", () => {
  const cri = loadCri();
  const type = (name: string) => cri.lookupType(`runtime.v1.${name}`);

  test("keep times as text, other numbers as numbers, and fill what is not set", () => {
    const status = {
      id: "a",
      createdAt: "1795248453994832330",
      exitCode: 3,
      mounts: [{ containerPath: "/a", hostPath: "/b" }],
    };
    const answer = decode(type("ContainerStatusResponse"), encode(type("ContainerStatusResponse"), { status }));
    expect(answer).toMatchObject({
      info: {},
      status: {
        id: "a",
        createdAt: "1795248453994832330",
        startedAt: "0",
        exitCode: 3,
        state: "CONTAINER_CREATED",
        labels: {},
      },
    });
    expect(answer["status"]).not.toHaveProperty("image");
  });

  test("keep memory beyond 32 bits", () => {
    const linux = { memoryLimitInBytes: 64 * 1024 ** 3 };
    const request = type("UpdateContainerResourcesRequest");
    expect(decode(request, encode(request, { containerId: "a", linux }))).toMatchObject({ linux });
  });

  test("of the wrong shape are an InvalidArgument", () => {
    expect(() => encode(type("RunPodSandboxRequest"), { config: "text" })).toThrow(
      expect.objectContaining({ code: "InvalidArgument" }),
    );
  });
});

describe("a pod's cgroup", () => {
  const under = (cgroupParent?: string) => {
    const config: PodSandboxConfig = { metadata, ...(cgroupParent !== undefined && { linux: { cgroupParent } }) };
    return underRoot(config, "/k8ts-1").linux?.cgroupParent;
  };

  test.each([
    [undefined, "/k8ts-1/podu1"],
    ["/kubepods/podx", "/k8ts-1/kubepods/podx"],
    ["/k8ts-1/kubepods/podx", "/k8ts-1/kubepods/podx"],
    ["/../../other", "/k8ts-1/other"],
    ["/k8ts-1/../other", "/k8ts-1/other"],
  ])("%s becomes %s", (given, expected) => {
    expect(under(given)).toBe(expected);
  });
});

describe("features of newer containerds", () => {
  test.each([
    ["1.6.20~ds1", [1, 6]],
    ["v2.0.5", [2, 0]],
  ])("%s is version %j", (text, version) => {
    expect(parseVersion(text)).toEqual(version);
  });

  test("are refused by an old one and taken by a new one", () => {
    const container = { metadata: { name: "a", attempt: 0 }, image: { image: "a" }, stopSignal: "SIGQUIT" };
    const config = { sandbox: { metadata }, container };
    expect(() => refuseNewer([1, 6], config)).toThrow("a stop signal needs containerd 2.1 or newer");
    refuseNewer([2, 1], config);
    refuseNewer([1, 6], { sandbox: { metadata }, container: { ...container, stopSignal: "RUNTIME_DEFAULT" } });
  });
});

describe("changes between two lists", () => {
  const map = (...entries: readonly (readonly [string, Known["phase"]])[]) =>
    new Map(entries.map(([id, phase]) => [id, { id, phase, sandboxId: "pod" }]));
  const between = (before: ReadonlyMap<string, Known>, now: ReadonlyMap<string, Known>) =>
    changes(before, now).map(([{ id }, type]) => `${id} ${type.replace(/CONTAINER_|_EVENT/g, "")}`);

  test.each([
    ["appears running", map(), map(["a", "running"]), ["a CREATED", "a STARTED"]],
    ["has ended", map(["a", "running"]), map(["a", "stopped"]), ["a STOPPED"]],
    ["came and went", map(), map(["a", "stopped"]), ["a CREATED", "a STARTED", "a STOPPED"]],
    ["ran and is gone", map(["a", "running"]), map(), ["a STOPPED", "a DELETED"]],
    ["had ended and is gone", map(["a", "stopped"]), map(), ["a DELETED"]],
    ["is as it was", map(["a", "running"]), map(["a", "running"]), []],
  ])("one that %s", (_case, before, now, events) => {
    expect(between(before, now)).toEqual(events);
  });
});

describe("credentials of registries", () => {
  const directory = mkdtempSync(join(tmpdir(), "credentials-"));
  const file = join(directory, "credentials.json");

  test("are taken for their registry, unless the pull brings its own", () => {
    const auths = {
      "https://index.docker.io/v1/": { auth: "ZG9ja2Vy" },
      "registry.example:5000": { username: "u", password: "p" },
    };
    writeFileSync(file, JSON.stringify({ auths }));
    const of = (image: string) => credentialsFor(file, { image: { image } }).auth;
    expect(of("nginx")).toEqual({ serverAddress: "https://registry-1.docker.io", auth: "ZG9ja2Vy" });
    expect(of("registry.example:5000/a/b:1")).toEqual({
      serverAddress: "https://registry.example:5000",
      username: "u",
      password: "p",
    });
    expect(of("quay.io/a/b:1")).toBeUndefined();
    const own = { username: "mine" };
    expect(credentialsFor(file, { image: { image: "nginx" }, auth: own }).auth).toEqual(own);
  });

  test("that are no JSON fail the pull by the file's name, and none are none", () => {
    writeFileSync(file, "{");
    expect(() => credentialsFor(file, { image: { image: "nginx" } })).toThrow(file);
    rmSync(directory, { recursive: true });
    expect(credentialsFor(file, { image: { image: "nginx" } })).toEqual({});
  });
});
