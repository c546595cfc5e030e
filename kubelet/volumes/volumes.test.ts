import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ConfigMap, Container, Pod, Secret, Volume } from "../../machinery/objects/kinds.ts";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { podPaths } from "../pods/paths.ts";
import { aPod, container } from "../pods/pod.fixture.ts";
import { createClaimVolumes } from "./claims.ts";
import { containerMounts } from "./mounts.ts";
import { createVolumes, type PodVolumes } from "./volumes.ts";

let directory: string;
let volumes: PodVolumes;
let tokens = 0;
const data: Record<string, Record<string, string>> = {};

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "k8ts-volumes-"));
  for (const name of Object.keys(data)) delete data[name];
  Object.assign(data, {
    settings: { colour: "blue", "a.conf": "x=1" },
    key: { pass: Buffer.from("s3cret").toString("base64") },
  });
  tokens = 0;
  const find = (name: string) => (data[name] ? { metadata: { name }, data: data[name] } : undefined);
  volumes = createVolumes({
    paths: podPaths(directory, join(directory, "logs")),
    clock: fakeClock(),
    claims: createClaimVolumes({ client: { find: async () => undefined }, node: () => undefined, directory }),
    sources: {
      configMap: async (_namespace, name) => find(name) as ConfigMap | undefined,
      secret: async (_namespace, name) => find(name) as Secret | undefined,
      tokens: { token: async () => `token-${++tokens}`, due: () => undefined, forget: () => undefined },
      node: () => ({ nodeName: "node-1", hostIPs: [], allocatable: {} }),
    },
  });
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const withVolume = (volume: Partial<Volume>, spec = {}): Pod =>
  aPod({ volumes: [{ name: "v", ...volume } as Volume], ...spec }, { labels: { app: "web" } });
const prepare = async (pod: Pod) => (await volumes.prepare(pod)).get("v") as string;
const text = (...parts: string[]) => readFile(join(...parts), "utf8");
const mode = async (...parts: string[]) => ((await stat(join(...parts))).mode & 0o7777).toString(8);

describe("configuration in files", () => {
  it("lies behind one symlink", async () => {
    const path = await prepare(withVolume({ configMap: { name: "settings" } }));
    expect((await readdir(path)).filter((name) => !name.startsWith("..")).sort()).toEqual(["a.conf", "colour"]);
    expect(await readlink(join(path, "colour"))).toBe("..data/colour");
    expect(await text(path, "colour")).toBe("blue");
    expect(await mode(path, "colour")).toBe("644");
  });

  it("takes chosen keys, under paths and modes of their own", async () => {
    const items = [{ key: "a.conf", path: "etc/app/a.conf", mode: 0o400 }];
    const path = await prepare(withVolume({ configMap: { name: "settings", items } }));
    expect(await text(path, "etc/app/a.conf")).toBe("x=1");
    expect(await mode(path, "etc/app/a.conf")).toBe("400");
    expect((await readdir(path)).includes("colour")).toBe(false);
  });

  it("changes all at once, and only when it changed", async () => {
    const pod = withVolume({ configMap: { name: "settings" } });
    const path = await prepare(pod);
    const first = await readlink(join(path, "..data"));
    await volumes.refresh(pod);
    expect(await readlink(join(path, "..data"))).toBe(first);
    data["settings"] = { colour: "red", new: "1" };
    await volumes.refresh(pod);
    expect(await readlink(join(path, "..data"))).not.toBe(first);
    expect(await text(path, "colour")).toBe("red");
    expect((await readdir(path)).filter((name) => !name.startsWith("..data")).sort()).toEqual([
      await readlink(join(path, "..data")),
      "colour",
      "new",
    ]);
  });

  it("comes from Secrets, fields and several sources in one", async () => {
    expect(await text(await prepare(withVolume({ secret: { secretName: "key", defaultMode: 0o600 } })), "pass")).toBe(
      "s3cret",
    );
    const items = [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }];
    const path = await prepare(
      withVolume({
        projected: {
          sources: [
            { configMap: { name: "settings" } },
            { downwardAPI: { items } },
            { serviceAccountToken: { path: "token", expirationSeconds: 3607 } },
          ],
        },
      }),
    );
    expect([await text(path, "colour"), await text(path, "labels"), await text(path, "token")]).toEqual([
      "blue",
      'app="web"',
      "token-1",
    ]);
  });

  it("is readable by fsGroup", async () => {
    if (process.getuid?.() !== 0) return;
    const spec = { securityContext: { fsGroup: 2000 } };
    const path = await prepare(withVolume({ secret: { secretName: "key", defaultMode: 0o400 } }, spec));
    expect((await stat(join(path, "pass"))).gid).toBe(2000);
    expect(await mode(path, "pass")).toBe("440");
    const empty = await prepare(withVolume({ emptyDir: {} }, spec));
    expect(await mode(empty)).toBe("2777");
  });

  const missing: readonly [string, Partial<Volume>, string][] = [
    ["a ConfigMap", { configMap: { name: "none" } }, 'configmap "none" not found'],
    ["a Secret", { secret: { secretName: "none" } }, 'secret "none" not found'],
    [
      "a key",
      { configMap: { name: "settings", items: [{ key: "none", path: "x" }] } },
      "configmap references non-existent config key: none",
    ],
    [
      "a claim",
      { persistentVolumeClaim: { claimName: "disk" } },
      'failed to fetch PVC from API server: persistentvolumeclaims "disk" not found',
    ],
    ["a kind of volume", { nfs: { server: "x", path: "/" } }, "volumes of type nfs are not supported"],
  ];
  it.each(missing)("is refused without %s", async (_name, volume, message) => {
    await expect(prepare(withVolume(volume))).rejects.toThrow(message);
  });

  it("may be optional", async () => {
    expect(await readdir(await prepare(withVolume({ configMap: { name: "none", optional: true } })))).not.toContain(
      "colour",
    );
  });
});

describe("hostPath", () => {
  const types: readonly [string, string, string | undefined][] = [
    ["here", "Directory", undefined],
    ["file", "File", undefined],
    ["made/deep", "DirectoryOrCreate", undefined],
    ["made-file", "FileOrCreate", undefined],
    ["none", "", undefined],
    ["none", "Directory", "is not a directory"],
    ["here", "File", "is not a file"],
    ["file", "Socket", "is not a socket file"],
  ];
  it.each(types)("%s as %s", async (name, type, message) => {
    await mkdir(join(directory, "here"));
    await writeFile(join(directory, "file"), "");
    const path = join(directory, name);
    const prepared = prepare(withVolume({ hostPath: { path, type } }));
    if (message) await expect(prepared).rejects.toThrow(`hostPath type check failed: ${path} ${message}`);
    else expect(await prepared).toBe(path);
  });
});

describe("removal", () => {
  it("takes volumes first, then everything", async () => {
    const pod = withVolume({ emptyDir: {} });
    const path = await prepare(pod);
    await writeFile(join(path, "x"), "");
    await volumes.release("uid-1");
    expect(await readdir(join(directory, "pods", "uid-1"))).toEqual([]);
    await volumes.remove("uid-1");
    expect(await readdir(join(directory, "pods"))).toEqual([]);
  });
});

describe("mounts", () => {
  const mountsOf = async (volume: Partial<Volume>, mount: Partial<NonNullable<Container["volumeMounts"]>[number]>) => {
    const pod = withVolume(volume);
    const one = container("main", { volumeMounts: [{ name: "v", mountPath: "/data", ...mount }] });
    const prepared = await volumes.prepare(pod);
    return containerMounts(pod, one, {
      volumes: prepared,
      env: (name) => ({ POD: "web" })[name],
      hostsFile: "/hosts",
      terminationLog: "/words",
    });
  };

  it("bring volume, hosts and last words", async () => {
    const mounts = await mountsOf({ emptyDir: {} }, { mountPropagation: "Bidirectional" });
    expect(mounts).toEqual([
      {
        containerPath: "/data",
        hostPath: join(directory, "pods/uid-1/volumes/v"),
        readonly: false,
        propagation: "PROPAGATION_BIDIRECTIONAL",
      },
      { containerPath: "/etc/hosts", hostPath: "/hosts" },
      { containerPath: "/dev/termination-log", hostPath: "/words" },
    ]);
  });
  it("of configuration are read-only", async () => {
    expect((await mountsOf({ configMap: { name: "settings" } }, {}))[0]?.readonly).toBe(true);
  });
  it("of a subPath mount what it leads to", async () => {
    const [file] = await mountsOf({ configMap: { name: "settings" } }, { subPath: "colour" });
    expect(await text(file?.hostPath as string)).toBe("blue");
    const [made] = await mountsOf({ emptyDir: {} }, { subPathExpr: "logs/$(POD)" });
    expect(made?.hostPath).toMatch(/\/v\/logs\/web$/);
  });
  it("of a subPath that leads out are refused", async () => {
    await expect(mountsOf({ emptyDir: {} }, { subPath: "../x" })).rejects.toThrow("invalid subPath");
    const path = await prepare(withVolume({ emptyDir: {} }));
    await symlink("/etc", join(path, "out"));
    await expect(mountsOf({ emptyDir: {} }, { subPath: "out" })).rejects.toThrow(
      'failed to prepare subPath for volumeMount "v" of container "main"',
    );
    await expect(mountsOf({ emptyDir: {} }, { subPath: "out/made" })).rejects.toThrow(
      "failed to create subPath directory",
    );
  });
});
