/**
 * Limits: what a Pod asks for, as the kernel's files of cgroup v2 have it on a machine, and that it bites.
 *
 * The Pods have the label "limits", so that they can be deleted together.
 */
import { expect } from "vitest";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { eventually } from "../harness/cluster.ts";
import { pod, sh } from "../harness/pods.ts";
import { type Fleet, minutes } from "./fleet.ts";
import type { Vm } from "./vm.ts";

const MIB = 1024 ** 2;
const labels = { limits: "" };
const limits = { cpu: "200m", memory: "64Mi" };
/** A container sees its own cgroup there. */
const FILES = ["cpu.max", "memory.max", "memory.swap.max", "memory.oom.group"];

export async function limitsBite(fleet: Fleet, { name: nodeName }: Vm): Promise<void> {
  const on = (name: string, command: readonly string[], restartPolicy = "Never") =>
    pod(name, { nodeName, restartPolicy, containers: [{ command, resources: { limits } }] }, { labels });
  const spin = `cd /sys/fs/cgroup; cat ${FILES.join(" ")}; while :; do :; done`;
  await fleet.apply(on("limited", sh(spin), "Always"));
  // The shell itself would live on, if only the process that takes the memory were killed.
  await fleet.apply(on("greedy", ["sh", "-c", "tail -c 200000000 /dev/zero; sleep 86400"]));
  await fleet.apply(on("forking", ["sh", "-c", "for one in $(seq 200); do sleep 86400 & done"]));

  const told = ["20000 100000", String(64 * MIB), "0", "1"];
  const logs = (name: string) => fleet.kubectl("logs", name);
  const ended = async (name: string) => (await get(fleet, name)).status?.containerStatuses?.[0]?.state?.terminated;
  await eventually(
    "the limits in the container",
    async () => expect((await logs("limited")).trim().split("\n")).toEqual(told),
    minutes(2),
  );
  await eventually(
    "the greedy one to be killed",
    async () => expect((await ended("greedy"))?.reason).toBe("OOMKilled"),
    minutes(2),
  );
  await eventually(
    "the forking one to be refused",
    async () => {
      expect(await logs("forking")).toMatch(/can't fork/);
      expect((await ended("forking"))?.exitCode).not.toBe(0);
    },
    minutes(2),
  );
}

/** Other limits for the container that runs. */
export async function resizes(fleet: Fleet, vm: Vm): Promise<void> {
  const { metadata, spec, status } = await get(fleet, "limited");
  const files = `cd $(find /sys/fs/cgroup -type d -name 'pod${metadata.uid}')`;
  const id = status?.containerStatuses?.[0]?.containerID?.replace(/^.*\/\//, "") ?? "";
  const throttled = async () => Number(await vm.run(`${files}; sed -n 's/^nr_throttled //p' ${id}/cpu.stat`));
  await eventually(
    "the processor to be held back",
    async () => expect(await throttled()).toBeGreaterThan(0),
    minutes(1),
  );

  // of 200 thousandths, once there are two figures of it
  await eventually(
    "its use of the processor",
    async () => {
      const millis = Number(/ (\d+)m /.exec(await fleet.kubectl("top", "pod", "limited", "--no-headers"))?.[1]);
      expect(millis).toBeGreaterThan(120);
      expect(millis).toBeLessThan(280);
    },
    minutes(2),
  );

  const resources = { requests: { cpu: "300m", memory: "96Mi" }, limits: { cpu: "300m", memory: "96Mi" } };
  await fleet.replace("/api/v1/namespaces/default/pods/limited/resize", {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "limited" },
    spec: { ...spec, containers: spec?.containers.map((container) => ({ ...container, resources })) },
  });
  await eventually(
    "the new limits",
    async () => {
      const lines = (await vm.run(`${files}; cat cpu.max memory.max ${id}/cpu.max ${id}/memory.max`))
        .trim()
        .split("\n");
      const [cpu, memory] = ["30000 100000", String(96 * MIB)];
      expect(lines).toEqual([cpu, memory, cpu, memory]);
      const [container] = (await get(fleet, "limited")).status?.containerStatuses ?? [];
      expect(container?.resources?.limits).toEqual(resources.limits);
      expect(container?.restartCount).toBe(0);
    },
    minutes(2),
  );
}

const get = async (fleet: Fleet, name: string) =>
  JSON.parse(await fleet.kubectl("get", "pod", name, "-o", "json")) as Pod;
