/**
 * Pod lab: Pods for a node of any runtime, and what is to be seen of them from outside.
 *
 * A container carries both what a real one does (its command) and what a simulated one does (the Pod's annotations).
 * Every name is used once, so that cases may run beside each other and again.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { podPaths } from "../../kubelet/pods/paths.ts";
import { TEST_IMAGE } from "../../kubelet/runtime/containerd/containerd.fixture.ts";
import type { Client } from "../../machinery/client/client.ts";
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { podUntil, type TestNode } from "./node.ts";

export type Spec = Partial<NonNullable<Pod["spec"]>>;

export interface PodLab {
  readonly client: Client;
  readonly node: TestNode;
  /** A name that nothing else has. */
  ref(base: string): Ref;
  /** A Pod bound to the node; `behaviour` is what its simulated containers do, by the settings of behaviour.ts. */
  create(base: string, spec: Spec, behaviour?: Readonly<Record<string, string>>): Promise<Pod>;
  until(pod: Pod, matches: (pod: Pod) => boolean): Promise<Pod>;
  gone(pod: Pod): Promise<void>;
  /** "Reason message" of its events. */
  told(pod: Pod): Promise<string>;
  /** What a command in its first container says. */
  exec(pod: Pod, ...command: string[]): Promise<string>;
  /** A file that the kubelet keeps for the Pod. */
  file(path: string): string;
  /** When the first and the last line of a container's log were written, in ns, as text of one length. */
  spanOf(pod: Pod, container: string): { readonly from: string; readonly to: string };
  paths: ReturnType<typeof podPaths>;
  /** Deletes all its Pods, and waits until they and what ran of them are gone. */
  clear(): Promise<void>;
}

export interface Ref {
  readonly namespace: string;
  readonly name: string;
}

export function createPodLab(node: TestNode, client: Client): PodLab {
  let names = 0;
  const paths = podPaths(join(node.directory, "kubelet"), join(node.directory, "logs"));
  const refOf = ({ metadata }: Pod): Ref => ({ namespace: "default", name: metadata.name });
  const ref = (base: string) => ({ namespace: "default", name: `${base}-${names++}` });
  const gone = async (pod: Pod) => {
    await podUntil(client, refOf(pod), (one) => one?.metadata.uid !== pod.metadata.uid, PATIENCE_MS);
  };
  return {
    client,
    node,
    paths,
    ref,
    create: (base, spec, behaviour = {}) => {
      const settings = Object.entries(behaviour).map(([key, value]) => [`simulated.k8ts.dev/${key}`, value]);
      const metadata = { ...ref(base), labels: { app: base }, annotations: Object.fromEntries(settings) };
      const usual = { nodeName: node.name, terminationGracePeriodSeconds: 1, containers: [stays()] };
      return client.create("pods", { metadata, spec: { ...usual, ...spec } });
    },
    until: async (pod, matches) =>
      (await podUntil(client, refOf(pod), (one) => one !== undefined && matches(one), PATIENCE_MS)) as Pod,
    gone,
    async told({ metadata }) {
      const { items } = await client.list("events", { namespace: "default" });
      const its = items.filter(({ involvedObject }) => involvedObject.name === metadata.name);
      return its.map(({ reason, message }) => `${reason} ${message}`).join("\n");
    },
    async exec({ status }, ...cmd) {
      const containerId = idOf(status?.containerStatuses?.[0]?.containerID);
      const { stdout } = await node.runtime.execSync({ containerId, cmd, timeout: 10 });
      return Buffer.from(stdout, "base64").toString();
    },
    file: (path) => readFileSync(path, "utf8"),
    spanOf({ metadata: { name, uid } }, container) {
      const directory = join(paths.logDirectory({ namespace: "default", name, uid }), container);
      const files = readdirSync(directory).sort();
      const lines = files.flatMap((file) => readFileSync(join(directory, file), "utf8").split("\n").filter(Boolean));
      const at = (line = "") => (line.split(" ")[0] ?? "").replace("Z", "").padEnd(NANOSECONDS_CHARS, "0");
      return { from: at(lines[0]), to: at(lines.at(-1)) };
    },
    async clear() {
      const { items } = await client.list("pods", { namespace: "default" });
      for (const { metadata } of items) await client.delete("pods", metadata, { gracePeriodSeconds: 1 });
      for (const pod of items) await gone(pod);
      while ((await node.runtime.listPodSandbox({})).items.length > 0) await systemClock.sleep(20);
    },
  };
}

const PATIENCE_MS = 60_000;
const NANOSECONDS_CHARS = "2026-01-02T03:04:05.123456789".length;
const idOf = (containerID = ""): string => containerID.replace(/^.*:\/\//, "");

/** Runs until it is asked to end; says when it begins and ends. */
export const stays = (extra: object = {}, name = "main"): Container =>
  runs("trap 'echo ends; exit' TERM; echo begins; sleep 1000 & wait", extra, name);

/** Ends by itself: a simulated one needs { "run-seconds": …, "exit-code": … } for it. */
export const ends = (seconds: number, exitCode: number, extra: object = {}, name = "main"): Container =>
  runs(`echo begins; sleep ${seconds}; echo ends; exit ${exitCode}`, extra, name);

export const runs = (script: string, extra: object = {}, name = "main"): Container =>
  ({ name, image: TEST_IMAGE, command: ["sh", "-c", script], ...extra }) as Container;

export const mainOf = (pod: Pod) => pod.status?.containerStatuses?.[0];
export const restartsOf = (pod: Pod): number => mainOf(pod)?.restartCount ?? 0;
export const isRunning = (pod: Pod): boolean =>
  (pod.status?.containerStatuses?.length ?? 0) > 0 &&
  (pod.status?.containerStatuses?.every(({ state }) => state?.running) ?? false);
export const isReady = (pod: Pod): boolean => conditionOf(pod, "Ready")?.status === "True";
export const conditionOf = (pod: Pod, type: string) => pod.status?.conditions?.find((one) => one.type === type);
export const inPhase = (phase: string) => (pod: Pod) => pod.status?.phase === phase;
export const waitsFor = (reason: string) => (pod: Pod) => mainOf(pod)?.state?.waiting?.reason === reason;
