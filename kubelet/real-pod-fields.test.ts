/** Fields of a Pod that take a real container to see: hooks, DNS, volumes of every kind, last words. Others: pod-cases/. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podUntil } from "../e2e/harness/node.ts";
import { type RealNode, startRealNode } from "../e2e/harness/real-node.ts";
import type { Container, Pod } from "../machinery/objects/kinds.ts";
import { TEST_IMAGE, whyNoContainerd } from "./runtime/containerd/containerd.fixture.ts";

type Spec = Partial<NonNullable<Pod["spec"]>>;

const ref = (name: string) => ({ namespace: "default", name });
/** Says something, and is there until it is asked to end. */
const says = (script: string, extra: object = {}): Container =>
  ({
    name: "main",
    image: TEST_IMAGE,
    command: ["sh", "-c", `${script}; trap exit TERM; sleep 1000 & wait`],
    ...extra,
  }) as Container;
const mounting = (script: string, mountPath: string, more: object = {}): Container =>
  says(script, { volumeMounts: [{ name: "it", mountPath, ...more }] });
const main = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0];
const runs = (pod: Pod | undefined) => main(pod)?.state?.running !== undefined;
const waitsFor = (reason: string) => (pod: Pod | undefined) => main(pod)?.state?.waiting?.reason === reason;

describe.skipIf(whyNoContainerd())("a Pod on real containers", { timeout: 90_000 }, () => {
  let real: RealNode;
  let host: string;
  let specs: Readonly<Record<string, Spec>>;

  const until = (name: string, matches: (pod: Pod | undefined) => boolean) =>
    podUntil(real.client, ref(name), matches, 60_000) as Promise<Pod>;
  const said = async (name: string, line: string | RegExp) => {
    const pod = await until(name, (one) => (main(one)?.containerID ?? "") !== "");
    const log = () => real.logOf(pod).join("\n");
    await expect.poll(log, { timeout: 30_000 }).toMatch(line);
    return log().split("\n");
  };
  const told = async (name: string) =>
    (await real.client.list("events", { namespace: "default" })).items
      .filter(({ involvedObject }) => involvedObject.name === name)
      .map(({ reason, message }) => `${reason} ${message}`)
      .join("\n");

  /** All begin at once: most of the time is waiting. */
  beforeAll(async () => {
    host = mkdtempSync(join(tmpdir(), "k8ts-host-"));
    mkdirSync(join(host, "shared"));
    mkdirSync(join(host, "pv"));
    writeFileSync(join(host, "pv", "file"), "of a volume\n");
    execFileSync("mount", ["--bind", join(host, "shared"), join(host, "shared")]);
    execFileSync("mount", ["--make-shared", join(host, "shared")]);
    real = await startRealNode();
    await boundClaim();
    specs = specsOf(host);
    for (const [name, spec] of Object.entries(specs))
      await real.client.create("pods", {
        metadata: { ...ref(name), labels: { app: name } },
        spec: { nodeName: "node-1", terminationGracePeriodSeconds: 1, containers: [], ...spec },
      });
  }, 60_000);

  afterAll(async () => {
    await real?.clear();
    await real?.close();
    execFileSync("umount", ["-l", join(host, "shared")]);
    rmSync(host, { recursive: true, force: true });
  }, 60_000);

  /** As the controllers bind them. */
  async function boundClaim(): Promise<void> {
    const common = { accessModes: ["ReadWriteOnce"], storageClassName: "by-hand" };
    const volume = await real.client.create("persistentvolumes", {
      metadata: { name: "disk" },
      spec: { ...common, capacity: { storage: "1Gi" }, hostPath: { path: join(host, "pv") } },
    });
    const claim = await real.client.create("persistentvolumeclaims", {
      metadata: { ...ref("data"), annotations: { "pv.kubernetes.io/bind-completed": "yes" } },
      spec: { ...common, volumeName: "disk", resources: { requests: { storage: "1Gi" } } },
    });
    const { name, namespace, uid } = claim.metadata;
    await real.client.update("persistentvolumes", {
      ...volume,
      spec: { ...volume.spec, claimRef: { name, namespace: namespace ?? "", uid } },
    });
    const status = { phase: "Bound", accessModes: common.accessModes, capacity: { storage: "1Gi" } };
    await real.client.patch("persistentvolumeclaims", ref("data"), { status }, { subresource: "status" });
    await real.client.patch(
      "persistentvolumes",
      { name: "disk" },
      { status: { phase: "Bound" } },
      { subresource: "status" },
    );
  }

  it("has its postStart hook run beside it, before it counts as running", async () => {
    await said("hooked", /^after the hook: told$/m);
  });

  it("is restarted with the probe's own grace when its liveness probe takes too long", async () => {
    await until("hung", (pod) => (main(pod)?.restartCount ?? 0) > 0);
    expect(await told("hung")).toMatch(/Unhealthy Liveness probe (failed|errored).*tim/i);
  });

  it("asks the name servers that it names, and no others", async () => {
    const lines = await said("named", /options/);
    expect(lines).toEqual(["search a.example b.example", "nameserver 192.0.2.53", "options ndots:2 edns0"]);
  });

  it("has what its host has, of the kind that it names", async () => {
    await said("made", /^\.$/m);
    expect(readdirSync(host)).toContain("made-for-it");
  });

  it("has a directory of its own in a volume, named by an expression", async () => {
    await said("expressed", /^expressed-of-default$/m);
  });

  it("sees what is mounted on the host after its start, where it asks for that", async () => {
    const pod = await until("propagated", runs);
    const inner = join(host, "shared", "inner");
    mkdirSync(inner);
    execFileSync("mount", ["-t", "tmpfs", "late", inner]);
    writeFileSync(join(inner, "file"), "late\n");
    expect(await real.exec(pod, ["cat", "/it/inner/file"])).toBe("late\n");
    execFileSync("umount", [inner]);
  });

  it("has the volume of its claim", async () => {
    await said("claiming", /^of a volume$/m);
  });

  it("has an image as a volume, whole or a directory of it, that it cannot change", async () => {
    const lines = await said("picture", /^done$/m);
    expect(lines).toEqual(["/it/bin/busybox", "/part/busybox", "touch: /it/new: Read-only file system", "done"]);
    const target = join(real.containerd.paths.containerd, "image-volumes");
    expect(readdirSync(target)).toHaveLength(1);
    await real.client.delete("pods", ref("picture"), {});
    await until("picture", (pod) => !pod);
    await expect.poll(() => readdirSync(target), { timeout: 30_000 }).toEqual([]);
    await expect
      .poll(() => told("pictureless"), { timeout: 30_000 })
      .toContain('Failed to pull image "registry.invalid/none:1"');
    await until("pictureless", (pod) =>
      /^(ErrImagePull|ImagePullBackOff)$/.test(main(pod)?.state?.waiting?.reason ?? ""),
    );
  });

  it("is refused mounts that are read-only all the way down where the runtime has none", async () => {
    const pod = await until("deep", waitsFor("CreateContainerConfigError"));
    expect(main(pod)?.state?.waiting?.message).toContain("requested recursive read-only mode, but it is not supported");
  });

  it("leaves its last words where it says", async () => {
    const ended = (pod: Pod | undefined) => main(pod)?.state?.terminated !== undefined;
    expect(main(await until("worded", ended))?.state?.terminated?.message).toBe("my words");
  });

  it("begins where it says, with its arguments, without a token or other Services' addresses", async () => {
    const lines = await said("plain", /^no token$/m);
    expect(lines).toEqual(["/proc one two", "no token"]);
  });
});

function specsOf(host: string): Readonly<Record<string, Spec>> {
  const probe = (extra: object) => ({ periodSeconds: 1, failureThreshold: 1, ...extra });
  return {
    hooked: {
      containers: [
        says("until [ -s /told ]; do busybox sleep 0.1; done; echo after the hook: $(cat /told)", {
          lifecycle: { postStart: { exec: { command: ["sh", "-c", "echo told > /told"] } } },
        }),
      ],
    },
    hung: {
      terminationGracePeriodSeconds: 600,
      containers: [
        {
          ...says(":"),
          command: ["sh", "-c", "trap : TERM; while :; do sleep 1; done"],
          livenessProbe: probe({
            exec: { command: ["sleep", "60"] },
            timeoutSeconds: 1,
            terminationGracePeriodSeconds: 1,
          }),
        },
      ],
    },
    named: {
      dnsPolicy: "None",
      dnsConfig: {
        nameservers: ["192.0.2.53"],
        searches: ["a.example", "b.example"],
        options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
      },
      containers: [says("cat /etc/resolv.conf")],
    },
    made: {
      containers: [mounting("cd /it; echo .", "/it")],
      volumes: [{ name: "it", hostPath: { path: join(host, "made-for-it"), type: "DirectoryOrCreate" } }],
    },
    expressed: {
      containers: [
        says("ls /whole", {
          env: [
            { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
            { name: "SPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
          ],
          volumeMounts: [
            { name: "it", mountPath: "/own", subPathExpr: "$(POD)-of-$(SPACE)" },
            { name: "it", mountPath: "/whole" },
          ],
        }),
      ],
      volumes: [{ name: "it", emptyDir: {} }],
    },
    propagated: {
      containers: [mounting(":", "/it", { mountPropagation: "HostToContainer" })],
      volumes: [{ name: "it", hostPath: { path: join(host, "shared") } }],
    },
    claiming: {
      containers: [mounting("cat /it/file", "/it")],
      volumes: [{ name: "it", persistentVolumeClaim: { claimName: "data" } }],
    },
    picture: {
      containers: [
        says("ls /it/bin/busybox /part/busybox; touch /it/new 2>&1; echo done", {
          volumeMounts: [
            { name: "it", mountPath: "/it" },
            { name: "it", mountPath: "/part", subPath: "bin" },
          ],
        }),
      ],
      volumes: [{ name: "it", image: { reference: TEST_IMAGE } }],
    },
    pictureless: {
      containers: [mounting(":", "/it")],
      volumes: [{ name: "it", image: { reference: "registry.invalid/none:1" } }],
    },
    deep: {
      containers: [mounting(":", "/it", { readOnly: true, recursiveReadOnly: "Enabled" })],
      volumes: [{ name: "it", emptyDir: {} }],
    },
    worded: {
      restartPolicy: "Never",
      containers: [
        { ...says(":"), command: ["sh", "-c", "echo -n my words > /words"], terminationMessagePath: "/words" },
      ],
    },
    plain: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      containers: [
        {
          ...says(":"),
          command: [
            "sh",
            "-c",
            "echo $PWD $1 $2; ls /var/run/secrets 2> /dev/null || echo no token; sleep 1000 & wait",
            "sh",
          ],
          args: ["one", "two"],
          workingDir: "/proc",
        },
      ],
    },
  };
}
