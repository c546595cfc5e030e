/** Images: pulled from a registry that is open, closed, down; and the disk that they share with Pods, when it is full. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SAMPLE_IMAGE } from "../kubelet/images/sample-image.ts";
import type { CoreEvent, Node } from "../machinery/objects/kinds.ts";
import { type Cluster, canRunContainers, eventually, startClusterOn } from "./harness/cluster.ts";
import { imageArchive } from "./harness/images.ts";
import { ours, realKubectls } from "./harness/kubectls.ts";
import { createMachines, type Machine, type Machines } from "./harness/machines.ts";
import { BUSYBOX, containerStatus, getPod, manifests, pod, ready, sh } from "./harness/pods.ts";
import { createRegistry, hasRegistry, PASSWORD, type Registry, USER } from "./harness/registry.ts";

const kubectl = realKubectls().at(-1) ?? ours;
const [program = ""] = ours.command;

/** The small machine's disk, and what must stay free of it. */
const DISK_MB = 160;
const LEAST_MB = 40;

describe.skipIf(!canRunContainers || !hasRegistry)("images", () => {
  let machines: Machines;
  let one: Machine;
  let small: Machine;
  let cluster: Cluster;
  let open: Registry;
  let closed: Registry;
  const run = (...args: string[]) => cluster.kubectl(kubectl, args);
  const apply = (...objects: string[]) => cluster.kubectl(kubectl, ["apply", "-f", "-"], manifests(...objects));
  const reason = async (name: string) => containerStatus(await getPod(cluster, kubectl, name))?.state?.waiting?.reason;
  const eventsOf = async (name: string) => {
    const listed = await run("get", "events", "--field-selector", `involvedObject.name=${name}`, "-o", "json");
    return (JSON.parse(listed) as { items: CoreEvent[] }).items;
  };
  const says = (name: string, ...wanted: (string | RegExp)[]) =>
    eventually(`Pod ${name} to be told about`, async () => {
      const told = (await eventsOf(name)).map((event) => `${event.reason} ${event.message}`).join("\n");
      for (const words of wanted) expect(told).toMatch(words);
    });

  beforeAll(async () => {
    const image = await imageArchive("busybox");
    machines = await createMachines();
    [one, small] = await Promise.all([machines.machine("one"), machines.machine("small")]);
    [open, closed] = [createRegistry(one, 5000, false), createRegistry(one, 5001, true)];
    await Promise.all([open.start(), closed.start(), giveSmallDisk(small)]);
    cluster = await startClusterOn(one);
    const token = (await one.k8ts("token", "create", "--print", "token")).trim();
    small.start(program, "agent", "--server", `https://${one.address}:6443`, "--token", token);
    await Promise.all([
      open.push(image, "team/app:1"),
      closed.push(image, "team/app:1"),
      closed.push(image, "team/other:1"),
    ]);
    await apply(secret("right", PASSWORD), secret("wrong", "guess"), account("puller", "right"));
    await eventually("the node to be Ready", async () => expect(await run("get", "node", "small")).toMatch(/ Ready /));
    await small.k8ts("images", "import", image);
  });
  afterAll(() => machines?.close());

  describe("of a registry", () => {
    const onOne = { nodeName: "one" };
    const withImage = (name: string, image: string, spec: object = {}, container: object = {}) =>
      pod(name, { ...onOne, ...spec, containers: [{ image, command: sh("sleep 86400 & wait"), ...container }] });
    const secrets = (...names: string[]) => ({ imagePullSecrets: names.map((name) => ({ name })) });
    let app: string;

    test("that is open come to everybody, once", async () => {
      await apply(withImage("open", `${open.host}/team/app:1`));
      await ready(cluster, kubectl, "open");
      await apply(withImage("again", `${open.host}/team/app:1`), withImage("none", `${open.host}/team/app:none`));
      await says(
        "open",
        "Pulling Pulling image",
        /Pulled Successfully pulled image ".*" in .* \(.* including waiting\)/,
      );
      await says("again", `Pulled Container image "${open.host}/team/app:1" already present on machine`);
      await says("none", /Failed Failed to pull image ".*": .*not found/);
    });

    test("that is closed come to nobody without the password, who is told why", async () => {
      app = `${closed.host}/team/app:1`;
      await apply(
        withImage("bare", app),
        withImage("guessing", app, secrets("wrong")),
        withImage("forgotten", app, secrets("nowhere")),
        withImage("never", app, secrets("right"), { imagePullPolicy: "Never" }),
      );
      const refused = /Failed Failed to pull image ".*": .*(401 Unauthorized|authorization failed|no basic auth)/;
      const told = ["Pulling Pulling image", refused, "Failed Error: ErrImagePull"];
      for (const name of ["bare", "guessing", "forgotten"]) await says(name, ...told);
      await says("forgotten", /FailedToRetrieveImagePullSecret .*\(nowhere\); attempting to pull .* may not succeed/);
      await says("never", `ErrImageNeverPull Container image "${app}" is not present with pull policy of Never`);
      await says("bare", `BackOff Back-off pulling image "${app}"`, "Failed Error: ImagePullBackOff");
      expect(await reason("bare")).toMatch(/^(ErrImagePull|ImagePullBackOff)$/);
      expect(await reason("never")).toBe("ErrImageNeverPull");
    });

    test("come with the secrets of the Pod, or of its service account", async () => {
      await apply(
        withImage("secret", app, secrets("right")),
        withImage("account", app, { serviceAccountName: "puller" }),
      );
      await ready(cluster, kubectl, "secret", "account");
      await says("secret", /Pulled (Successfully pulled image|Container image)/);
    });

    test("that are here are for those alone who could have pulled them", async () => {
      await apply(
        secret("same", PASSWORD),
        withImage("other", app, secrets("same")),
        withImage("always", app, secrets("right"), { imagePullPolicy: "Always" }),
        withImage("without", app),
        withImage("never-without", app, {}, { imagePullPolicy: "Never" }),
      );
      await ready(cluster, kubectl, "other", "always");
      await says("other", `Pulled Container image "${app}" already present on machine`);
      await says("always", "Pulled Successfully pulled image");
      await says("without", "Failed Error: ErrImagePull");
      await says("never-without", "is present with pull policy of Never but does not have the proper credentials");
      expect(await reason("never-without")).toBe("ErrImageNeverPull");
    });

    test("come when the registry is back, or the secret is right, after the back-off", async () => {
      const other = `${closed.host}/team/other:1`;
      await closed.stop();
      await apply(withImage("patient", other, secrets("right")));
      await says("patient", /Failed Failed to pull image ".*": .*connection refused/, "Failed Error: ErrImagePull");
      await closed.start();
      await apply(secret("wrong", PASSWORD));
      await ready(cluster, kubectl, "patient", "guessing");
      expect((await eventsOf("patient")).map((event) => event.reason)).toContain("BackOff");
    });

    test("stay theirs when the agent is killed", async () => {
      cluster.kill("agent");
      await apply(withImage("late", app), withImage("late-friend", app, secrets("right")));
      await ready(cluster, kubectl, "late-friend");
      await says("late", "Failed Error: ErrImagePull");
    });
  });

  describe("and Pods on a disk that is full", () => {
    const here = { nodeSelector: { "kubernetes.io/hostname": "small" } };
    const scratch = { volumes: [{ name: "scratch", emptyDir: {} }], ...here };
    const writing = (name: string, script: string, spec: object = {}, storage = "0") =>
      pod(name, {
        ...scratch,
        ...spec,
        containers: [
          {
            image: BUSYBOX,
            command: sh(`${script}; sleep 86400 & wait`),
            volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
            resources: { requests: { "ephemeral-storage": storage } },
          },
        ],
      });
    const node = async () => JSON.parse(await run("get", "node", "small", "-o", "json")) as Node;
    const underPressure = async () => {
      const { spec, status } = await node();
      const condition = status?.conditions?.find(({ type }) => type === "DiskPressure");
      return {
        condition: `${condition?.status} ${condition?.reason}`,
        tainted: spec?.taints?.some(({ key }) => key === "node.kubernetes.io/disk-pressure") ?? false,
      };
    };
    const phase = async (name: string) => (await getPod(cluster, kubectl, name)).status?.phase;
    const agent = () => small.run("cat", `${small.paths.run}/agent.pid`);
    const images = () => small.k8ts("images", "list");

    test("those go first that use more than they asked for, by priority; the others stay, and so does the node", async () => {
      await small.k8ts("images", "sample");
      expect(await images()).toContain(SAMPLE_IMAGE);
      const before = await agent();
      await apply(
        priority("high", 1000),
        writing("modest", "echo mine > /scratch/file", {}, "10Mi"),
        writing("greedy", "dd if=/dev/zero of=/scratch/file bs=1M count=20"),
      );
      await ready(cluster, kubectl, "modest", "greedy");
      const modest = containerStatus(await getPod(cluster, kubectl, "modest"));
      await apply(writing("greedier", "dd if=/dev/zero of=/scratch/file bs=1M", { priorityClassName: "high" }));
      await eventually("the node to say that its disk is full", async () =>
        expect(await underPressure()).toEqual({ condition: "True KubeletHasDiskPressure", tainted: true }),
      );
      await apply(pod("waiting", { ...here }));
      for (const name of ["greedy", "greedier"])
        await eventually(`Pod ${name} to be evicted`, async () => {
          const { status } = await getPod(cluster, kubectl, name);
          expect(status).toMatchObject({ phase: "Failed", reason: "Evicted" });
          expect(status?.message).toMatch(/^The node was low on resource: ephemeral-storage\. Threshold quantity: /);
        });
      expect(await evictedAt("greedy")).toBeLessThan(await evictedAt("greedier"));
      await eventually("the node to have room", async () =>
        expect(await underPressure()).toEqual({ condition: "False KubeletHasNoDiskPressure", tainted: false }),
      );
      await ready(cluster, kubectl, "waiting");
      expect(await phase("modest")).toBe("Running");
      expect(containerStatus(await getPod(cluster, kubectl, "modest"))).toEqual(modest);
      expect(await run("exec", "modest", "--", "cat", "/scratch/file")).toBe("mine\n");
      expect(await agent()).toBe(before);
      expect(await images()).not.toContain(SAMPLE_IMAGE);
    });

    /** In the order in which the API heard of it. */
    const evictedAt = async (name: string) => {
      const event = (await eventsOf(name)).find((one) => one.reason === "Evicted");
      return Number(event?.metadata.resourceVersion);
    };
  });
});

/** All that k8ts has on it is on a disk of its own, whose pressure is soon over when there is room. */
async function giveSmallDisk({ paths, run }: Machine): Promise<void> {
  const settings = {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    evictionHard: { "nodefs.available": `${LEAST_MB}Mi`, "imagefs.available": `${LEAST_MB}Mi` },
    evictionPressureTransitionPeriod: "5s",
    imageMinimumGCAge: "0s",
  };
  await run("mkdir", "-p", paths.root);
  await run("mount", "-t", "tmpfs", "-o", `size=${DISK_MB}m`, "disk", paths.root);
  await run("sh", "-c", 'echo "$0" > "$1"', JSON.stringify(settings), paths.kubeletConfig);
}

const secret = (name: string, password: string) => {
  const login = { username: USER, password };
  const auths = { "127.0.0.1:5001": login };
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name },
    type: "kubernetes.io/dockerconfigjson",
    stringData: { ".dockerconfigjson": JSON.stringify({ auths }) },
  });
};

const account = (name: string, ...secrets: readonly string[]) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name },
    imagePullSecrets: secrets.map((one) => ({ name: one })),
  });

const priority = (name: string, value: number) =>
  JSON.stringify({ apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name }, value });
