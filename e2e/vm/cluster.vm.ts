/**
 * Three virtual machines with systemd and cgroup v2, as the README has people set them up: joined by services of
 * systemd, an application across them, limits that bite, machines restarted, replaced and switched off.
 *
 * Its own command (npm run e2e:vm), with machines of one kind or another (run-by.ts). Each stage goes on from where the one before it ended;
 * K8TS_VM_STAGES (names, by commas) leaves the others out, all but the first, and K8TS_VM_AGENTS says how many agents.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { eventually } from "../harness/cluster.ts";
import { createFleet, type Fleet, minutes } from "./fleet.ts";
import { limitsBite, resizes } from "./limits.ts";
import { whyNoMachines } from "./needs.ts";
import { runBy } from "./run-by.ts";
import type { Vm } from "./vm.ts";

const AGENTS = Number(process.env["K8TS_VM_AGENTS"] ?? 2);
const SAMPLE = join(import.meta.dirname, "..", "..", "manifests", "samples", "guestbook.yaml");
const GUESTBOOK_PODS = 6;
const unable = await whyNoMachines();

let fleet: Fleet;
let broken = false;

describe.skipIf(unable !== undefined)(`virtual machines${unable === undefined ? "" : `: ${unable}`}`, () => {
  beforeAll(async () => {
    const agents = Array.from({ length: AGENTS }, (_, index) => `agent-${index + 1}`);
    fleet = await createFleet();
    await Promise.all(["server", ...agents].map((name) => fleet.start(name)));
  }, minutes(5));
  afterAll(() => fleet?.close(), minutes(1));

  stage("install", "a server is installed, and agents join by what it prints", 20, async () => {
    const server = fleet.vm("server");
    expect((await server.run("stat -fc %T /sys/fs/cgroup")).trim()).toBe("cgroup2fs");
    await server.run("k8ts check", minutes(1));
    await last().run(`mkdir -p /root/.k8ts; echo '${KUBELET}' > /root/.k8ts/kubelet.yaml`);
    await fleet.installServer(server);
    const agents = fleet.names.filter((name) => name !== "server");
    await Promise.all(agents.map((name) => fleet.join(fleet.vm(name))));
    await fleet.nodesReady();
    for (const vm of fleet.vms.values())
      expect((await vm.run(`systemctl is-active ${unitOf(vm)}`)).trim()).toBe("active");
  });

  stage("guestbook", "the guestbook runs across them", 10, async () => {
    await fleet.timed("guestbook: applied to all Pods Ready", async () => {
      await fleet.apply(patient(readFileSync(SAMPLE, "utf8")));
      await fleet.podsReady(GUESTBOOK_PODS);
    });
    const nodes = new Set((await fleet.list<Pod>("pods")).map(({ spec }) => spec?.nodeName));
    expect([...nodes].toSorted()).toEqual(fleet.names.toSorted());
    await fleet.timed("guestbook: a message through one node, read on each", () => answers("hello"));
  });

  stage("limits", "limits bite under cgroup v2, and change in place", 10, async () => {
    const vm = last();
    await limitsBite(fleet, vm);
    await resizes(fleet, vm);
    await fleet.kubectl("delete", "pod", "-l", "limits", "--grace-period=1");
  });

  stage("restart", "restarting the services restarts no container", 10, async () => {
    const before = await containers();
    for (const vm of fleet.vms.values()) {
      const unit = unitOf(vm);
      await fleet.timed(`${vm.name}: restart of the service`, () => vm.run(`systemctl restart ${unit}`, minutes(3)));
      await eventually(
        `a new agent on ${vm.name}`,
        async () =>
          expect(Number(await vm.run(`grep -c '"event":"ready"' /root/.k8ts/logs/agent.log`))).toBeGreaterThan(1),
        minutes(3),
      );
    }
    await fleet.nodesReady();
    await fleet.podsReady(GUESTBOOK_PODS);
    expect(await containers()).toEqual(before);
    await answers("restarted");
  });

  stage("shutdown", "a machine that is switched off ends its Pods first", 15, async () => {
    const vm = last();
    await fleet.apply(farewell(vm));
    await eventually(
      "the Pod to run",
      async () => expect((await onePod("farewell")).status?.phase).toBe("Running"),
      minutes(1),
    );
    await fleet.timed(`${vm.name}: reboot, its Pods ended first`, () => vm.reboot());
    expect((await vm.run("cat /root/farewell")).trim()).toBe("goodbye");
    const { status } = await onePod("farewell");
    expect([status?.phase, status?.reason]).toEqual(["Failed", "Terminated"]);
    await fleet.kubectl("delete", "pod", "farewell");
    await fleet.nodesReady();
    await fleet.podsReady(GUESTBOOK_PODS);
  });

  stage("replace", "a machine that lost its power is replaced by another", 20, async (skip) => {
    if (AGENTS === 0) skip("there is no agent");
    const name = await busiest();
    await fleet.lose(name);
    await fleet.kubectl("delete", "node", name);
    await fleet.timed(`guestbook: Pods of ${name} to be Ready elsewhere`, () => fleet.podsReady(GUESTBOOK_PODS));
    await fleet.join(await fleet.start("replacement"));
    await fleet.nodesReady();
    await answers("replaced");
  });

  stage("reboot", "after a reboot of all machines everything is back", 20, async () => {
    const before = (await fleet.list<Pod>("pods")).map(({ metadata }) => metadata.name);
    await fleet.timed("all machines: reboot to guestbook Ready", async () => {
      await Promise.all([...fleet.vms.values()].map((vm) => vm.reboot()));
      await eventually("the server to answer", () => fleet.kubectl("get", "--raw", "/readyz"), minutes(4));
      await eventually(
        "Pods that were started again",
        async () => {
          const pods = await fleet.list<Pod>("pods");
          const same = pods.filter(
            ({ metadata, status }) => before.includes(metadata.name) && status?.phase !== "Failed",
          );
          for (const { status } of same) expect(status?.containerStatuses?.[0]?.restartCount).toBeGreaterThan(0);
        },
        minutes(4),
      );
      await fleet.nodesReady();
      await fleet.podsReady(GUESTBOOK_PODS);
    });
    await answers("rebooted");
  });

  stage("leave", "a machine that leaves keeps nothing", 10, async (skip) => {
    if (AGENTS === 0) skip("there is no agent");
    const vm = last();
    await fleet.timed(`${vm.name}: agent leave`, () => vm.run("k8ts agent leave", minutes(4)));
    const nodes = (await fleet.list<Node>("nodes")).map(({ metadata }) => metadata.name);
    expect(nodes).not.toContain(vm.name);
    const left =
      "ls /etc/systemd/system/k8ts-* -d /sys/fs/cgroup/k8ts-* 2>/dev/null; ps -eo args | grep '[/]root/.k8ts'";
    expect((await vm.run(`${left}; ip -o link show k8ts0 2>/dev/null; nft list tables | grep k8ts || :`)).trim()).toBe(
      "",
    );
    await fleet.podsReady(GUESTBOOK_PODS);
  });
});

/** Of the machine that is looked at closest. */
const KUBELET = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
shutdownGracePeriod: 60s
shutdownGracePeriodCriticalPods: 10s
podPidsLimit: 120`;

/** Its time is a real machine's. What a stage before it left broken it does not look at. */
function stage(name: string, what: string, most: number, work: (skip: (why: string) => void) => Promise<void>): void {
  const wanted = process.env["K8TS_VM_STAGES"]?.split(",");
  const chosen = name === "install" || !wanted || wanted.includes(name);
  test.skipIf(!chosen)(`${name}: ${what}`, { timeout: minutes(most) }, async ({ skip }) => {
    if (broken) skip("an earlier stage failed");
    broken = true;
    try {
      await fleet.timed(`stage ${name}`, () => work(skip));
      broken = false;
    } catch (error) {
      await fleet.tellWhy();
      throw error;
    }
  });
}

/** The sample's probes expect a processor's answer within a second: an emulated one has its own time. */
const patient = (sample: string): string =>
  runBy() !== "tcg"
    ? sample
    : sample.replaceAll(/^( +)periodSeconds: .*/gm, "$1periodSeconds: 10\n$1timeoutSeconds: 60");

/** The newest agent; the server where it is alone. */
const last = (): Vm => fleet.vm(fleet.names.filter((name) => name !== "server").at(-1) ?? "server");
/** The agent with the most Pods: those of one that was switched off are elsewhere by now. */
async function busiest(): Promise<string> {
  const places = (await fleet.list<Pod>("pods")).map(({ spec }) => spec?.nodeName);
  const count = (name: string) => places.filter((place) => place === name).length;
  const agents = fleet.names.filter((name) => name !== "server");
  return agents.toSorted((one, other) => count(other) - count(one))[0] ?? last().name;
}
const unitOf = ({ name }: Vm) => (name === "server" ? "k8ts-server" : "k8ts-agent");
const onePod = async (name: string) => JSON.parse(await fleet.kubectl("get", "pod", name, "-o", "json")) as Pod;

/** Which containers run, by Pod. */
async function containers(): Promise<Record<string, unknown>> {
  const rows = (await fleet.list<Pod>("pods")).map(({ metadata, status }) => [
    metadata.name,
    status?.containerStatuses?.map(({ containerID, restartCount }) => [containerID, restartCount]),
  ]);
  return Object.fromEntries(rows);
}

/** What is said to the guestbook through one node is heard through each. */
async function answers(message: string): Promise<void> {
  const curl = (address: string, ...args: string[]) =>
    fleet.machines.onRouter("curl", "-sS", "--fail", "--max-time", "20", ...args, `http://${address}:30080/`);
  const [first] = fleet.vms.values();
  await eventually(
    "the guestbook to take a message",
    async () => curl(first?.address ?? "", "-d", message),
    minutes(2),
  );
  for (const { name, address } of fleet.vms.values())
    await eventually(`the message on ${name}`, async () => expect(curl(address)).toContain(message), minutes(2));
}

/** It takes its time to end, and leaves a word on the disk when it has had it. */
const farewell = ({ name }: Vm): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "farewell" },
    spec: {
      nodeName: name,
      restartPolicy: "Never",
      containers: [
        {
          name: "main",
          image: "busybox:1.36",
          command: ["sh", "-c", "trap 'sleep 3; echo goodbye > /host/farewell; exit 0' TERM; sleep 86400 & wait"],
          volumeMounts: [{ name: "host", mountPath: "/host" }],
        },
      ],
      volumes: [{ name: "host", hostPath: { path: "/root" } }],
    },
  });
