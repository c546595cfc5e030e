/**
 * Fleet: the virtual machines of one run, kubectl on the cluster that they make, and waits that suit their speed.
 *
 * What a run measured is told at its end: nothing of it is a limit, since emulated processors differ by the hour.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { eventually } from "../harness/cluster.ts";
import { ours, realKubectls } from "../harness/kubectls.ts";
import { createMachines, type Machines } from "../harness/machines.ts";
import { isReady } from "../harness/pods.ts";
import { type BootFiles, baseDisk, IMAGES } from "./disk.ts";
import { paceOf, runBy } from "./run-by.ts";
import { startVm, type Vm } from "./vm.ts";

const exec = promisify(execFile);
const kubectl = realKubectls().at(-1) ?? ours;
/** Of a real machine. */
export const minutes = (count: number) => count * 60_000 * paceOf(runBy()).patience;

const UNREACHED = /^Unable to connect to the server|connection refused|was refused|i\/o timeout/m;
const LOOK_MS = 1_000;

export interface Fleet {
  readonly machines: Machines;
  readonly vms: ReadonlyMap<string, Vm>;
  readonly names: readonly string[];
  vm(name: string): Vm;
  /** Boots one more. */
  start(name: string): Promise<Vm>;
  /** Pulls its plug and forgets it. */
  lose(name: string): Promise<void>;
  kubectl(...args: readonly string[]): Promise<string>;
  apply(manifest: string): Promise<string>;
  /** Puts an object at a path of the API. */
  replace(path: string, object: unknown): Promise<string>;
  list<T>(...what: readonly string[]): Promise<T[]>;
  /** Installs a server, as README says, and uses its cluster. */
  installServer(vm: Vm): Promise<void>;
  join(vm: Vm, ...flags: readonly string[]): Promise<void>;
  nodesReady(): Promise<void>;
  /** Pods of the default namespace that are not on their way out. */
  podsReady(count: number): Promise<void>;
  /** Remembers how long this takes. */
  timed<T>(what: string, work: () => Promise<T>): Promise<T>;
  /** Prints what each machine and its Pods last said. */
  tellWhy(): Promise<void>;
  close(): Promise<void>;
}

export async function createFleet(): Promise<Fleet> {
  const directory = mkdtempSync(join(tmpdir(), "k8ts-vm-run-"));
  const boot: BootFiles = await baseDisk(directory);
  const machines = await createMachines();
  const vms = new Map<string, Vm>();
  const kubeconfig = join(directory, "kubeconfig");
  const figures: string[] = [];
  let number = 20;

  const fleet: Fleet = {
    machines,
    vms,
    get names() {
      return [...vms.keys()];
    },
    vm(name) {
      const vm = vms.get(name);
      if (!vm) throw new Error(`there is no machine ${name}`);
      return vm;
    },
    async start(name) {
      number += 1;
      const options = { machines, name, number, boot, directory };
      const vm = await fleet.timed(`${name}: power to systemd`, () => startVm(options));
      vms.set(name, vm);
      await fleet.timed(`${name}: systemd to all its units started`, async () =>
        expect((await vm.run("systemctl is-system-running --wait || systemctl --failed")).trim()).toBe("running"),
      );
      return vm;
    },
    async lose(name) {
      await fleet.vm(name).powerOff();
      vms.delete(name);
    },
    async kubectl(...args) {
      const [file = "", ...rest] = [...machines.outside, ...kubectl.command, "--kubeconfig", kubeconfig, ...args];
      const until = systemClock.monotonic() + minutes(1);
      for (;;) {
        try {
          return (await exec(file, rest, { maxBuffer: 64 * 1024 * 1024 })).stdout;
        } catch (error) {
          // a handshake takes an emulated processor longer than kubectl waits
          const unreached = UNREACHED.test((error as { stderr?: string }).stderr ?? "");
          if (!unreached || systemClock.monotonic() > until) throw error;
        }
        await systemClock.sleep(LOOK_MS);
      }
    },
    async apply(manifest) {
      const file = join(directory, "manifest.yaml");
      writeFileSync(file, manifest);
      return fleet.kubectl("apply", "-f", file);
    },
    async replace(path, object) {
      const file = join(directory, "object.json");
      writeFileSync(file, JSON.stringify(object));
      return fleet.kubectl("replace", "--raw", path, "-f", file);
    },
    async list<T>(...what: readonly string[]) {
      return (JSON.parse(await fleet.kubectl("get", ...what, "-o", "json")) as { items: T[] }).items;
    },
    async installServer(vm) {
      await fleet.timed(`${vm.name}: server --install to Ready`, () => vm.run("k8ts server --install", minutes(6)));
      const admin = await vm.run("cat /root/.k8ts/admin.kubeconfig");
      writeFileSync(kubeconfig, admin.replace("127.0.0.1:6443", `${vm.address}:6443`), { mode: 0o600 });
      await bringImages(vm);
    },
    async join(vm, ...flags) {
      const server = fleet.vm("server");
      const token = (await server.run("k8ts token create --print token", minutes(1))).trim();
      const line = `k8ts agent --server https://${server.address}:6443 --token ${token} ${flags.join(" ")} --install`;
      await fleet.timed(`${vm.name}: agent --install to Ready`, () => vm.run(line, minutes(6)));
      await bringImages(vm);
    },
    nodesReady: () =>
      eventually(
        `nodes ${fleet.names.join(", ")} to be Ready`,
        async () => {
          const ready = (await fleet.list<Node>("nodes")).filter(({ status }) =>
            status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
          );
          expect(ready.map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining([...fleet.names]));
        },
        minutes(3),
      ),
    podsReady: (count) =>
      eventually(
        `${count} Pods to be Ready`,
        async () => {
          const living = (await fleet.list<Pod>("pods")).filter(
            ({ metadata, status }) =>
              !metadata.deletionTimestamp && status?.phase !== "Succeeded" && status?.phase !== "Failed",
          );
          expect(living.filter(isReady).map(({ metadata }) => metadata.name)).toHaveLength(count);
          for (const { spec } of living) expect(fleet.names).toContain(spec?.nodeName); // not on one that is lost
        },
        minutes(4),
      ),
    async timed(what, work) {
      const began = systemClock.monotonic();
      const result = await work();
      const seconds = (systemClock.monotonic() - began) / 1000;
      figures.push(`${what}: ${seconds.toFixed(1)} s`);
      process.stdout.write(`${figures.at(-1)}\n`);
      return result;
    },
    async tellWhy() {
      const pods = await fleet.kubectl("get", "nodes,pods,events", "-A", "-o", "wide").catch(String);
      const journals = [...vms.values()].map((vm) =>
        vm.run("journalctl -b -n 40 --no-pager", minutes(1)).catch(String),
      );
      process.stdout.write(`${pods}\n${(await Promise.all(journals)).join("\n")}\n`);
    },
    async close() {
      for (const vm of vms.values()) await vm.powerOff();
      await machines.close();
      rmSync(directory, { recursive: true, force: true });
      process.stdout.write(`\nvirtual machines:\n${figures.map((line) => `  ${line}\n`).join("")}`);
    },
  };

  const bringImages = (vm: Vm) => vm.run(`k8ts images import ${IMAGES}/*.tar`, minutes(5));
  return fleet;
}
