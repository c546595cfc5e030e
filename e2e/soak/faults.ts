/**
 * Faults: what a soak does to the cluster, one after the other, chosen by a seed.
 *
 * Each leaves the cluster in a state from which it must recover by itself; what only a person can mend (a cut
 * cable, a machine without power) the fault mends itself after a while.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import type { Scene } from "./scene.ts";

/** 0 ≤ x < 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Random = () => number;

interface Fault {
  readonly weight: number;
  /** Resolves with what it did. */
  strike(scene: Scene, random: Random): Promise<string>;
}

const pick = <T>(from: readonly T[], random: Random): T => from[Math.floor(random() * from.length)] as T;
const between = (least: number, most: number, random: Random) => least + Math.floor(random() * (most - least + 1));
const seconds = (count: number) => systemClock.sleep(count * 1000);

export const faults: Readonly<Record<string, Fault>> = {
  kill: {
    weight: 6,
    async strike({ all }, random) {
      const machine = pick(all, random);
      const process = pick(
        ["agent", "containerd", "dns", "supervisor", ...(machine === all[0] ? ["server"] : [])],
        random,
      );
      await machine.attempt(
        "sh",
        "-c",
        `kill -9 $(sed 's/.*"pid":\\([0-9]*\\).*/\\1/' "$0")`,
        `${machine.paths.run}/${process}.pid`,
      );
      return `killed ${process} on ${machine.name}`;
    },
  },
  scale: {
    weight: 3,
    async strike({ run }, random) {
      const replicas = between(1, 8, random);
      await run("scale", "deployment/web", `--replicas=${replicas}`);
      return `scaled web to ${replicas}`;
    },
  },
  deletePod: {
    weight: 3,
    async strike({ list, run }, random) {
      const pods = await list<Pod>("pods");
      if (pods.length === 0) return "found no Pod to delete";
      const { name } = pick(pods, random).metadata;
      const force = random() < 0.3 ? ["--force"] : [];
      await run("delete", "pod", name, "--wait=false", "--ignore-not-found", "--grace-period=0", ...force);
      return `deleted ${name}${force.length > 0 ? " by force" : ""}`;
    },
  },
  roll: {
    weight: 2,
    async strike({ run }, random) {
      const target = pick(["deployment/web", "statefulset/ordered", "daemonset/everywhere"], random);
      await run("rollout", "restart", target);
      return `rolled ${target}`;
    },
  },
  reconfigure: {
    weight: 1,
    async strike({ run }, random) {
      const colour = pick(["red", "green", "blue"], random);
      await run("patch", "configmap/settings", "-p", JSON.stringify({ data: { colour } }));
      return `painted ${colour}`;
    },
  },
  cut: {
    weight: 2,
    async strike({ all }, random) {
      const machine = pick(all, random);
      const time = between(2, 25, random);
      machine.cut();
      await seconds(time);
      machine.mend();
      return `cut ${machine.name} off for ${time} s`;
    },
  },
  power: {
    weight: 1,
    async strike(scene, random) {
      const machine = pick(scene.all, random);
      const time = between(0, 15, random);
      await machine.powerOff();
      await seconds(time);
      await machine.powerOn();
      scene.serve(machine);
      return `took ${machine.name}'s power for ${time} s`;
    },
  },
};

/** Strikes once. While the server is away some faults cannot be: then that is what is told. */
export async function strike(scene: Scene, random: Random): Promise<string> {
  const all = Object.values(faults);
  const fault = pick(
    all.flatMap((one) => Array<Fault>(one.weight).fill(one)),
    random,
  );
  try {
    return await fault.strike(scene, random);
  } catch (error) {
    return `could not: ${String(error).split("\n").slice(0, 3).join(" ").slice(0, 200)}`;
  }
}
