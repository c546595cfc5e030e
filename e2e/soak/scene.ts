/**
 * Scene: the cluster and the applications on which a soak works: three machines, and something of every kind of workload.
 *
 * Every machine keeps its part running as a service manager would, also after kill -9 and after a boot.
 */
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { type Cluster, clusterOf, eventually } from "../harness/cluster.ts";
import { imageArchive } from "../harness/images.ts";
import { ours, realKubectls } from "../harness/kubectls.ts";
import { createMachines, type Machine, type Machines } from "../harness/machines.ts";

const kubectl = realKubectls().at(-1) ?? ours;
const [program = ""] = ours.command;

/** Nodes and Pods are given up soon, so that a short soak sees it happen. */
const GRACE_SECONDS = 12;
const tolerations = ["not-ready", "unreachable"].map((key) => ({
  key: `node.kubernetes.io/${key}`,
  operator: "Exists",
  effect: "NoExecute",
  tolerationSeconds: 3,
}));

const READY_MS = 180_000;

export interface Scene {
  readonly machines: Machines;
  readonly all: readonly [Machine, Machine, Machine];
  readonly cluster: Cluster;
  run(...args: string[]): Promise<string>;
  list<T>(...what: string[]): Promise<T[]>;
  /** Starts a machine's part of the cluster, kept running. */
  serve(machine: Machine): void;
  close(): Promise<void>;
}

export async function createScene(): Promise<Scene> {
  const image = await imageArchive("busybox");
  const machines = await createMachines();
  const all = await Promise.all([machines.machine("one"), machines.machine("two"), machines.machine("three")]);
  const [one] = all;
  const cluster = clusterOf(one);
  const run = (...args: string[]) => cluster.kubectl(kubectl, args);
  let token: string[] = [];
  const serve = (machine: Machine) => {
    const part =
      machine === one
        ? ["server", "--node-monitor-grace-period", String(GRACE_SECONDS)]
        : ["agent", "--server", `https://${one.address}:6443`, ...token];
    machine.start("sh", "-c", 'while :; do "$@" >/dev/null 2>&1; sleep 1; done', "keep", program, ...part);
  };
  const scene: Scene = {
    machines,
    all,
    cluster,
    run,
    serve,
    async list<T>(...what: string[]) {
      return (JSON.parse(await run("get", ...what, "-o", "json")) as { items: T[] }).items;
    },
    close: () => machines.close(),
  };
  try {
    serve(one);
    await eventually("the server to be there", () => run("get", "--raw", "/readyz"), READY_MS);
    token = ["--token", (await one.k8ts("token", "create", "--print", "token")).trim()];
    for (const machine of all.slice(1)) serve(machine);
    await eventually("three nodes to be Ready", () => nodesReady(scene), READY_MS);
    await Promise.all(all.map((machine) => machine.k8ts("images", "import", image)));
    await cluster.kubectl(kubectl, ["apply", "-f", "-"], APPLICATIONS);
    await eventually("everything as asked", () => asAsked(scene), READY_MS);
    return scene;
  } catch (error) {
    await scene.close();
    throw error;
  }
}

export async function nodesReady({ list }: Scene): Promise<void> {
  const nodes = await list<Node>("nodes");
  const ready = nodes.filter(({ status }) =>
    status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
  );
  if (ready.length !== 3) throw new Error(`${ready.length} of ${nodes.length} nodes are Ready`);
}

interface Workload {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly generation?: number };
  readonly spec: { readonly replicas?: number };
  readonly status?: Readonly<Record<string, number | undefined>>;
}

/** Every workload has what it asks for, in the newest form, and no Pod is left that nobody asks for. */
export async function asAsked(scene: Scene): Promise<void> {
  const { list, run } = scene;
  await nodesReady(scene);
  const workloads = await list<Workload>("deployments,statefulsets,daemonsets");
  const wrong = workloads.filter((one) => !isAsAsked(one));
  if (wrong.length > 0)
    throw new Error(
      `not as asked: ${JSON.stringify(wrong.map(({ metadata, spec, status }) => ({ name: metadata.name, asked: spec.replicas, status })))}`,
    );
  const wanted = workloads.reduce(
    (sum, one) => sum + (one.spec.replicas ?? one.status?.["desiredNumberScheduled"] ?? 0),
    0,
  );
  const pods = (await list<Pod>("pods")).filter(
    ({ status }) => status?.phase !== "Succeeded" && status?.phase !== "Failed",
  );
  const jobs = pods.filter(({ metadata }) => metadata.ownerReferences?.some(({ kind }) => kind === "Job"));
  if (pods.length - jobs.length !== wanted)
    throw new Error(
      `${pods.length - jobs.length} Pods where ${wanted} are asked for: ${await run("get", "pods", "-o", "wide")}`,
    );
  for (const machine of scene.all) await serviceAnswers(scene, machine);
}

function isAsAsked({ kind, metadata, spec, status = {} }: Workload): boolean {
  const seen = status["observedGeneration"] === metadata.generation;
  if (kind === "DaemonSet")
    return (
      seen &&
      status["desiredNumberScheduled"] === 3 &&
      status["numberAvailable"] === 3 &&
      status["updatedNumberScheduled"] === 3
    );
  const replicas = spec.replicas ?? 1;
  return (
    seen &&
    (status["replicas"] ?? 0) === replicas &&
    (status["updatedReplicas"] ?? 0) === replicas &&
    (status["availableReplicas"] ?? 0) === replicas
  );
}

/** By its node port on this machine, so that the answer may come from any. */
async function serviceAnswers({ run }: Scene, machine: Machine): Promise<void> {
  const port = (await run("get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}")).trim();
  const answer = await machine.run("curl", "-sS", "--max-time", "3", `http://${machine.address}:${port}/`);
  if (answer !== "it works\n") throw new Error(`the Service answers on ${machine.name} with ${answer}`);
}

const BUSYBOX = "busybox:1.36";
/** A shell that dies by SIGTERM at once. */
const sh = (script: string) => ["sh", "-c", `trap 'exit 143' TERM; ${script}`];
const web = sh("mkdir -p /www; echo it works > /www/index.html; httpd -f -p 8080 -h /www & wait");

function template(app: string, container: Record<string, unknown>, spec: Record<string, unknown> = {}) {
  const containers = [{ name: "main", image: BUSYBOX, ...container }];
  return {
    metadata: { labels: { app } },
    spec: { terminationGracePeriodSeconds: 2, tolerations, containers, ...spec },
  };
}

const selector = (app: string) => ({ matchLabels: { app } });
const probe = { httpGet: { path: "/", port: 8080 }, periodSeconds: 2, timeoutSeconds: 3 };

const APPLICATIONS = [
  { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data: { colour: "green" } },
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: {
      replicas: 4,
      selector: selector("web"),
      template: template(
        "web",
        {
          command: web,
          readinessProbe: probe,
          volumeMounts: [
            { name: "settings", mountPath: "/settings" },
            { name: "scratch", mountPath: "/scratch" },
          ],
        },
        {
          volumes: [
            { name: "settings", configMap: { name: "settings" } },
            { name: "scratch", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
          ],
        },
      ),
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web" },
    spec: { type: "NodePort", selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
  },
  {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "ordered" },
    spec: {
      replicas: 2,
      serviceName: "ordered",
      selector: selector("ordered"),
      template: template("ordered", { command: sh("sleep 86400 & wait") }),
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "ordered" },
    spec: { clusterIP: "None", selector: { app: "ordered" }, ports: [{ port: 80 }] },
  },
  {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "everywhere" },
    spec: {
      selector: selector("everywhere"),
      template: template("everywhere", { command: sh("while true; do date; sleep 1; done") }),
    },
  },
  {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "minutely" },
    spec: {
      schedule: "* * * * *",
      concurrencyPolicy: "Forbid",
      successfulJobsHistoryLimit: 1,
      failedJobsHistoryLimit: 1,
      jobTemplate: {
        spec: {
          ttlSecondsAfterFinished: 30,
          template: template("minutely", { command: ["echo", "done"] }, { restartPolicy: "Never" }),
        },
      },
    },
  },
]
  .map((one) => JSON.stringify(one))
  .join("\n---\n");
