/** What Pods are promised, on real containers: samples, environment, volumes, probes, restarts, limits, ends. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, canRunContainers, eventually, startCluster } from "./harness/cluster.ts";
import { imageArchive } from "./harness/images.ts";
import { ours, realKubectls } from "./harness/kubectls.ts";
import { containerStatus, getPod, isReady, manifests, pod, ready, sh } from "./harness/pods.ts";

const kubectl = realKubectls().at(-1) ?? ours;
const samples = join(import.meta.dirname, "..", "manifests", "samples");
const SPIN = "sleep 86400 & wait";

const SETTINGS = manifests(
  JSON.stringify({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "settings" },
    data: { colour: "green", "app.conf": "size=1\n" },
  }),
  JSON.stringify({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "keys" },
    stringData: { password: "sesame" },
  }),
);

const ENVIRONMENT = pod(
  "environment",
  {
    containers: [
      {
        command: [
          "sh",
          "-c",
          'echo "$COLOUR $PASSWORD $POD_NAME $GREETING $colour"; echo $(cat /limits/memory); sleep 86400',
        ],
        resources: { limits: { memory: "64Mi" } },
        envFrom: [{ configMapRef: { name: "settings" } }],
        env: [
          { name: "COLOUR", valueFrom: { configMapKeyRef: { name: "settings", key: "colour" } } },
          { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "keys", key: "password" } } },
          { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          { name: "GREETING", value: "hello-$(POD_NAME)-$$(POD_NAME)" },
        ],
        volumeMounts: [
          { name: "settings", mountPath: "/settings" },
          { name: "keys", mountPath: "/keys" },
          { name: "labels", mountPath: "/labels" },
          { name: "limits", mountPath: "/limits" },
        ],
      },
    ],
    volumes: [
      { name: "settings", configMap: { name: "settings" } },
      { name: "keys", secret: { secretName: "keys", defaultMode: 0o400 } },
      { name: "labels", downwardAPI: { items: [{ path: "all", fieldRef: { fieldPath: "metadata.labels" } }] } },
      {
        name: "limits",
        downwardAPI: {
          items: [{ path: "memory", resourceFieldRef: { containerName: "main", resource: "limits.memory" } }],
        },
      },
    ],
  },
  { labels: { app: "environment" } },
);

const ASK_API = `
import json, ssl, urllib.request, urllib.error
place = "/var/run/secrets/kubernetes.io/serviceaccount/"
read = lambda name: open(place + name).read()
context = ssl.create_default_context(cafile=place + "ca.crt")
def ask(path):
    request = urllib.request.Request("https://kubernetes.default.svc" + path, headers={"Authorization": "Bearer " + read("token")})
    try:
        return json.load(urllib.request.urlopen(request, context=context))
    except urllib.error.HTTPError as error:
        return json.load(error)
print(json.dumps({"version": ask("/version"), "pods": ask("/api/v1/namespaces/" + read("namespace") + "/pods")}))
`;

const INIT = pod("initialized", {
  initContainers: ["first", "second"].map((name) => ({
    name,
    image: "busybox:1.36",
    command: ["sh", "-c", `sleep 0.5; echo ${name} >> /scratch/log`],
    volumeMounts: [{ name: "work", mountPath: "/scratch" }],
  })),
  containers: [
    {
      command: sh(`echo main >> /scratch/log; cat /scratch/log; ${SPIN}`),
      volumeMounts: [{ name: "work", mountPath: "/scratch" }],
    },
  ],
  volumes: [{ name: "work", emptyDir: {} }],
});

const RESTARTS = manifests(
  pod("crashing", { containers: [{ command: ["sh", "-c", "exit 4"] }] }),
  pod("failing", { restartPolicy: "Never", containers: [{ command: ["sh", "-c", "echo sorry; exit 4"] }] }),
  pod("succeeding", { restartPolicy: "OnFailure", containers: [{ command: ["true"] }] }),
  pod("second-try", {
    restartPolicy: "OnFailure",
    containers: [
      {
        command: ["sh", "-c", "test -e /scratch/tried && exit 0; touch /scratch/tried; exit 1"],
        volumeMounts: [{ name: "work", mountPath: "/scratch" }],
      },
    ],
    volumes: [{ name: "work", emptyDir: {} }],
  }),
  pod("hungry", {
    restartPolicy: "Never",
    containers: [{ command: ["sh", "-c", "tail /dev/zero"], resources: { limits: { memory: "16Mi" } } }],
  }),
  pod("imageless", { containers: [{ image: "registry.invalid/none:1" }] }),
);

const PROBED = manifests(
  pod("sick", {
    containers: [
      {
        command: sh(`touch /tmp/well; sleep 2; rm /tmp/well; ${SPIN}`),
        livenessProbe: { exec: { command: ["test", "-e", "/tmp/well"] }, periodSeconds: 1, failureThreshold: 2 },
      },
    ],
  }),
  pod(
    "shy",
    {
      containers: [
        { command: sh(SPIN), readinessProbe: { exec: { command: ["test", "-e", "/tmp/ready"] }, periodSeconds: 1 } },
      ],
    },
    { labels: { app: "shy" } },
  ),
  JSON.stringify({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "shy" },
    spec: { selector: { app: "shy" }, ports: [{ port: 80 }] },
  }),
);

const LIMITED = pod("limited", {
  containers: [{ command: sh(SPIN), resources: { limits: { cpu: "100m", memory: "32Mi" } } }],
});

describe.skipIf(!canRunContainers)("pods", () => {
  const directory = mkdtempSync(join(tmpdir(), "pods-"));
  let cluster: Cluster;
  const run = (...args: string[]) => cluster.kubectl(kubectl, args);
  const apply = (text: string) => cluster.kubectl(kubectl, ["apply", "-f", "-"], text);
  const get = (name: string) => getPod(cluster, kubectl, name);
  const statusColumn = async (name: string) => (await run("get", "pod", name, "--no-headers")).trim().split(/\s+/)[2];

  beforeAll(async () => {
    cluster = await startCluster();
    for (const image of ["busybox", "nginx", "python"] as const)
      await cluster.k8ts("images", "import", await imageArchive(image));
    await apply(manifests(SETTINGS, ENVIRONMENT, INIT, RESTARTS, PROBED, LIMITED));
    for (const sample of ["pod", "job", "web"]) await run("apply", "-f", join(samples, `${sample}.yaml`));
  });
  afterAll(async () => {
    await cluster?.down();
    rmSync(directory, { recursive: true });
  });

  test("samples: a Pod with init container and probes", async () => {
    await run("wait", "--for=condition=Ready", "pod/prepared", "--timeout=60s");
    expect(await run("exec", "prepared", "--", "wget", "-q", "-O-", "http://127.0.0.1:8080/")).toMatch(/^prepared on /);
  });

  test("samples: a Job runs to its end", async () => {
    await run("wait", "--for=condition=Complete", "job/count", "--timeout=120s");
    const job = JSON.parse(await run("get", "job", "count", "-o", "json"));
    expect(job.status).toMatchObject({ succeeded: 6 });
    expect(await run("get", "job", "count")).toMatch(/count +Complete +6\/6/);
  });

  test("samples: a web server that shows a ConfigMap's page", async () => {
    await run("rollout", "status", "deployment/web", "--timeout=60s");
    await eventually("the page through the Service", async () =>
      expect(await run("exec", "prepared", "--", "timeout", "5", "wget", "-q", "-O-", "http://web/")).toContain(
        "It works",
      ),
    );
  });

  test("samples: what a StatefulSet's Pods keep outlives them, and goes with the set", async () => {
    await run("apply", "-f", join(samples, "notebook.yaml"));
    await run("rollout", "status", "statefulset/notebook", "--timeout=60s");
    await run("delete", "pod", "notebook-0", "--timeout=30s");
    await run("rollout", "status", "statefulset/notebook", "--timeout=60s");
    const notes = (name: string) => run("exec", name, "--", "cat", "/notes/log");
    expect(await notes("notebook-0")).toBe("notebook-0 started\nnotebook-0 started\n");
    expect(await notes("notebook-1")).toBe("notebook-1 started\n");
    expect(readdirSync(cluster.paths.volumes).length).toBe(2);
    const address = (await get("notebook-0")).status?.podIP ?? "";
    const named = "notebook-0.notebook.default.svc.cluster.local";
    await eventually("the Pod's name to lead to its address, and back", async () => {
      expect(await run("exec", "notebook-1", "--", "nslookup", named)).toContain(address);
      expect(await run("exec", "notebook-1", "--", "nslookup", address)).toContain(named);
    });
    await run("delete", "-f", join(samples, "notebook.yaml"), "--timeout=60s");
    await eventually("the volumes to be gone", async () => {
      expect((await run("get", "pv,pvc", "-o", "name")).trim()).toBe("");
      expect(readdirSync(cluster.paths.volumes)).toEqual([]);
    });
  });

  test("environment from values, fields, ConfigMaps and Secrets", async () => {
    await ready(cluster, kubectl, "environment");
    expect(await run("logs", "environment")).toBe(
      "green sesame environment hello-environment-$(POD_NAME) green\n67108864\n",
    );
  });

  test("files of ConfigMaps, Secrets and fields, with their modes", async () => {
    await ready(cluster, kubectl, "environment");
    const look = (script: string) => run("exec", "environment", "--", "sh", "-c", script);
    expect(await look("cat /settings/app.conf /keys/password /labels/all")).toBe('size=1\nsesameapp="environment"');
    expect(await look("stat -L -c %a /keys/password /settings/app.conf")).toBe("400\n644\n");
  });

  test("a changed ConfigMap reaches the files of a running container", async () => {
    await run("patch", "configmap", "settings", "-p", '{"data":{"app.conf":"size=2\\n"}}');
    await eventually(
      "the new file",
      async () => expect(await run("exec", "environment", "--", "cat", "/settings/app.conf")).toBe("size=2\n"),
      120_000,
    );
  });

  test("a Pod asks the API as its ServiceAccount, and is no administrator", async () => {
    await apply(
      pod("asking", {
        restartPolicy: "Never",
        containers: [{ image: "python:3.11-slim", command: ["python3", "-c", ASK_API] }],
      }),
    );
    await run("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/asking", "--timeout=60s");
    const { version, pods } = JSON.parse(await run("logs", "asking"));
    expect(version).toMatchObject({ major: "1" });
    expect(pods).toMatchObject({ code: 403, reason: "Forbidden" });
    expect(pods.message).toContain('User "system:serviceaccount:default:default" cannot list resource "pods"');
  });

  test("init containers run one after the other, before the others", async () => {
    await ready(cluster, kubectl, "initialized");
    expect(await run("logs", "initialized")).toBe("first\nsecond\nmain\n");
  });

  test("restart policies", async () => {
    await eventually("ends", async () => {
      expect((await get("failing")).status?.phase).toBe("Failed");
      expect((await get("succeeding")).status?.phase).toBe("Succeeded");
      expect((await get("second-try")).status?.phase).toBe("Succeeded");
    });
    expect(containerStatus(await get("failing"))?.state?.terminated).toMatchObject({ exitCode: 4, reason: "Error" });
    expect(containerStatus(await get("failing"))?.restartCount).toBe(0);
    expect(containerStatus(await get("second-try"))?.restartCount).toBe(1);
    expect(await statusColumn("failing")).toBe("Error");
    expect(await statusColumn("succeeding")).toBe("Completed");
  });

  test("a crash loop is shown, counted and explained", async () => {
    await eventually("CrashLoopBackOff", async () => expect(await statusColumn("crashing")).toBe("CrashLoopBackOff"));
    const status = containerStatus(await get("crashing"));
    expect(status?.restartCount).toBeGreaterThan(0);
    expect(status?.state?.waiting?.message).toMatch(
      /^back-off \d+s restarting failed container=main pod=crashing_default\(/,
    );
    expect(status?.lastState?.terminated?.exitCode).toBe(4);
    expect(await run("describe", "pod", "crashing")).toContain("Back-off restarting failed container main in pod");
  });

  test("an image that does not exist", async () => {
    const seen = new Set<string | undefined>();
    await eventually("both states", async () => {
      seen.add(await statusColumn("imageless"));
      expect([...seen]).toEqual(expect.arrayContaining(["ErrImagePull", "ImagePullBackOff"]));
    });
    const described = await run("describe", "pod", "imageless");
    expect(described).toContain('Failed to pull image "registry.invalid/none:1"');
    expect(described).toContain('Back-off pulling image "registry.invalid/none:1"');
  });

  test("too much memory ends in OOMKilled", async () => {
    await eventually("the kill", async () => {
      expect(containerStatus(await get("hungry"))?.state?.terminated).toMatchObject({
        reason: "OOMKilled",
        exitCode: 137,
      });
    });
    expect(await statusColumn("hungry")).toBe("OOMKilled");
  });

  test("limits are those of the cgroup", async () => {
    await ready(cluster, kubectl, "limited");
    const first = (v1: string, v2: string) =>
      run("exec", "limited", "--", "sh", "-c", `cat /sys/fs/cgroup/${v1} 2>/dev/null || cat /sys/fs/cgroup/${v2}`);
    expect((await first("memory/memory.limit_in_bytes", "memory.max")).trim()).toBe(String(32 * 1024 * 1024));
    expect((await first("cpu/cpu.cfs_quota_us", "cpu.max")).trim()).toMatch(/^10000( 100000)?$/);
  });

  test("a Pod is given more while it runs", async () => {
    const { containerID } = containerStatus(await get("limited")) ?? {};
    const size = { cpu: "150m", memory: "48Mi" };
    const patch = { spec: { containers: [{ name: "main", resources: { requests: size, limits: size } }] } };
    await cluster.kubectl(ours, ["patch", "pod", "limited", "--subresource", "resize", "-p", JSON.stringify(patch)]);
    await eventually("the new size", async () => {
      const found = await get("limited");
      expect(containerStatus(found)?.resources?.limits).toEqual(size);
      expect(found.status?.conditions?.map(({ type }) => type)).not.toContain("PodResizeInProgress");
    });
    const limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max";
    expect((await run("exec", "limited", "--", "sh", "-c", limit)).trim()).toBe(String(48 * 1024 * 1024));
    expect(containerStatus(await get("limited"))).toMatchObject({ containerID, restartCount: 0 });
    expect(await run("describe", "pod", "limited")).toContain("Pod resize completed");
  });

  test("a failing liveness probe restarts the container", async () => {
    await eventually("a restart", async () => {
      expect(containerStatus(await get("sick"))?.restartCount).toBeGreaterThan(0);
    });
    const described = await run("describe", "pod", "sick");
    expect(described).toContain("Liveness probe failed:");
    expect(described).toContain("Container main failed liveness probe, will be restarted");
  });

  test("a Pod is an endpoint while its readiness probe says so", async () => {
    const conditions = async () => {
      const { items } = JSON.parse(
        await run("get", "endpointslices", "-l", "kubernetes.io/service-name=shy", "-o", "json"),
      ) as { items: { endpoints?: { conditions: { ready: boolean } }[] }[] };
      return items.flatMap(({ endpoints }) => endpoints ?? []).map((one) => one.conditions.ready);
    };
    await eventually("it to run, not ready", async () => {
      expect(containerStatus(await get("shy"))?.started).toBe(true);
      expect(isReady(await get("shy"))).toBe(false);
      expect(await conditions()).toEqual([false]);
    });
    await run("exec", "shy", "--", "touch", "/tmp/ready");
    await eventually("it to be ready", async () => expect(await conditions()).toEqual([true]));
    await run("exec", "shy", "--", "rm", "/tmp/ready");
    await eventually("it not to be ready again", async () => expect(await conditions()).toEqual([false]));
  });

  test("an end with grace: preStop, SIGTERM, then the container goes; hostPath keeps what it wrote", async () => {
    const leaving = pod("leaving", {
      terminationGracePeriodSeconds: 20,
      containers: [
        {
          command: ["sh", "-c", "trap 'echo term >> /notes/log; exit 0' TERM; sleep 86400 & wait"],
          lifecycle: {
            preStop: { exec: { command: ["sh", "-c", "echo before >> /notes/log; sleep 1; echo stop >> /notes/log"] } },
          },
          volumeMounts: [{ name: "notes", mountPath: "/notes" }],
        },
      ],
      volumes: [{ name: "notes", hostPath: { path: directory, type: "Directory" } }],
    });
    await apply(leaving);
    await ready(cluster, kubectl, "leaving");
    await run("delete", "pod", "leaving", "--timeout=60s");
    expect(readFileSync(join(directory, "log"), "utf8")).toBe("before\nstop\nterm\n");
  });

  test("a container that ignores SIGTERM is killed after its grace period", async () => {
    const stubborn = pod("stubborn", {
      terminationGracePeriodSeconds: 1,
      containers: [{ command: ["sh", "-c", "trap '' TERM; while true; do sleep 1; done"] }],
    });
    await apply(stubborn);
    await ready(cluster, kubectl, "stubborn");
    await run("delete", "pod", "stubborn", "--timeout=30s");
    expect((await cluster.tryKubectl(kubectl, ["get", "pod", "stubborn"])).stderr).toContain(
      'pods "stubborn" not found',
    );
  });

  test("names are looked up in the cluster first", async () => {
    await ready(cluster, kubectl, "limited");
    const [search, ...rest] = (await run("exec", "limited", "--", "cat", "/etc/resolv.conf"))
      .trim()
      .split("\n")
      .toSorted()
      .toReversed();
    expect(search).toMatch(/^search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/);
    expect(rest).toEqual(["options ndots:5", "nameserver 10.43.0.10"]);
  });

  test("a Pod on the host's network has the host's name, address and Services", async () => {
    const spec = { hostNetwork: true, hostPID: true, hostIPC: true, dnsPolicy: "ClusterFirstWithHostNet" };
    await apply(pod("on-host", spec));
    await ready(cluster, kubectl, "on-host");
    const { status } = await get("on-host");
    expect(status?.podIP).toBe(status?.hostIP);
    expect((await run("exec", "on-host", "--", "hostname")).trim()).toBe(hostname());
    expect(await run("exec", "on-host", "--", "nslookup", "kubernetes.default.svc.cluster.local")).toContain(
      "10.43.0.1",
    );
  });

  test("top tells what nodes and Pods use", async () => {
    await ready(cluster, kubectl, "limited");
    const node = (await get("limited")).spec?.nodeName ?? "";
    expect(await run("top", "node", node, "--no-headers")).toMatch(/^\S+ +\d+m +\d+% +\d+Mi +\d+%/);
    await eventually("figures of the Pod", async () => {
      expect((await cluster.tryKubectl(kubectl, ["top", "pod", "limited"])).stdout).toMatch(/\nlimited +\d+m +\d+Mi/);
    });
  });

  test("describe tells a Pod's life", async () => {
    const described = await run("describe", "pod", "limited");
    for (const reason of ["Scheduled", "Pulled", "Created", "Started"])
      expect(described).toMatch(new RegExp(`Normal +${reason} `));
    expect(described).toMatch(/Limits:\n +cpu: +150m\n +memory: +48Mi/);
  });
});
