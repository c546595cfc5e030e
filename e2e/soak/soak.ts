/**
 * Soak: a cluster of three machines under random faults for a while; then everything must be as asked and nothing leaked.
 *
 * `npm run soak` takes an hour, a part of it is among the tests. The seed is printed; it chooses the faults, though
 * not the moment in which each meets the cluster.
 */
import { systemClock } from "../../machinery/process/clock.ts";
import { defineComponent } from "../../machinery/process/component.ts";
import { eventually } from "../harness/cluster.ts";
import { randomFrom, strike } from "./faults.ts";
import { leaksOn } from "./leaks.ts";
import { asAsked, createScene } from "./scene.ts";

const SETTLE_MS = 240_000;
const BETWEEN_MS = { least: 500, most: 8_000 };

export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
  say(line: string): void;
}

/** Resolves with how many faults there were; rejects with what is not as it should be. */
export async function soak({ seconds, seed, say }: SoakOptions): Promise<number> {
  const random = randomFrom(seed);
  say(`soak: seed ${seed}, ${seconds} s`);
  const scene = await createScene();
  let faults = 0;
  try {
    const began = systemClock.monotonic();
    const elapsed = () => (systemClock.monotonic() - began) / 1000;
    while (elapsed() < seconds) {
      say(`${elapsed().toFixed(0).padStart(5)} s  ${await strike(scene, random)}`);
      faults += 1;
      await systemClock.sleep(BETWEEN_MS.least + random() * (BETWEEN_MS.most - BETWEEN_MS.least));
    }
    await eventually("everything as asked after the last fault", () => asAsked(scene), SETTLE_MS);
    let leaks: readonly string[] = [];
    const look = async () => {
      leaks = (await Promise.all(scene.all.map((machine) => leaksOn(scene, machine)))).flat();
      if (leaks.length > 0) throw new Error("something leaked");
    };
    await eventually("nothing leaked", look, SETTLE_MS).catch((error: unknown) => {
      throw new Error(`after ${faults} faults:\n${leaks.join("\n")}`, { cause: error });
    });
    say(`soak: ${faults} faults; everything is as asked and nothing leaked`);
    return faults;
  } finally {
    await scene.close();
  }
}

export const soakCommand = defineComponent({
  name: "soak",
  command: true,
  summary:
    "Runs a cluster of three machines under random faults, and looks whether it is as asked in the end and what leaked.",
  flags: {
    seconds: { type: "number", default: 3600, help: "how long faults go on" },
    seed: { type: "number", value: "N", help: "which faults; chosen by the time when left out" },
  },
  async run({ seconds, seed }, { clock }) {
    await soak({
      seconds,
      seed: seed ?? Math.floor(clock.now()) % 1_000_000,
      say: (line) => void process.stdout.write(`${line}\n`),
    });
  },
});
