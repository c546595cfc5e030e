/**
 * Mutate: loads controllers and scheduler once more with one piece of their text replaced, beside the real ones.
 *
 * Only what they are made of is loaded again (controllers/, scheduler/, machinery/loop and client); the API
 * server and all types that travel between the two stay the same. A text that is not there exactly once is an
 * error: then the mutant needs care, for it would prove nothing.
 */
import { registerHooks } from "node:module";
import type { Mutant } from "./mutants.ts";
import { type Plan, planOf } from "./plan.ts";
import type { Components } from "./processes.ts";
import type { Prepared } from "./server.ts";
import { simulate } from "./world.ts";

const root = new URL("../../", import.meta.url).href;
const AGAIN = /^(controllers|scheduler|machinery\/(loop|client))\//;

export interface Found {
  readonly seed: number;
  readonly violation: string;
}

/** The first seed that finds the mutant, and that what is not broken passes. */
export async function findMutant(mutant: Mutant, prepared: Prepared, mostSeeds: number): Promise<Found | undefined> {
  const components = await loadMutant(mutant);
  const others = Array.from({ length: mostSeeds }, (_, index) => index + 1).filter((seed) => seed !== mutant.seen);
  for (const seed of mutant.seen === undefined ? others : [mutant.seen, ...others]) {
    const plan = planOf(seed);
    if (!shows(plan, mutant)) continue;
    const { violation } = await simulate(plan, prepared, components);
    if (violation === undefined) continue;
    const { violation: anyway } = await simulate(plan, prepared);
    if (anyway !== violation) return { seed, violation };
  }
  return undefined;
}

export const shows = (plan: Plan, { about, where = () => true }: Mutant): boolean =>
  plan.steps.some(({ verb, resource }) => verb === "create" && resource === about) && where(plan);

export function mutated(text: string, { name, find, replace }: Mutant): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`mutant "${name}": its text is there ${parts.length - 1} times`);
  return parts.join(replace);
}

export async function loadMutant(mutant: Mutant): Promise<Components> {
  const mark = `?mutant=${encodeURIComponent(mutant.name)}`;
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      const fromMutant = context.parentURL?.endsWith(mark) ?? false;
      const again = fromMutant && found.url.startsWith(root) && AGAIN.test(found.url.slice(root.length));
      return again ? { ...found, url: `${found.url.split("?")[0]}${mark}` } : found;
    },
    load(url, context, next) {
      const found = next(url, context);
      if (url !== `${root}${mutant.file}${mark}`) return found;
      return { ...found, source: mutated(Buffer.from(found.source as Uint8Array).toString(), mutant) };
    },
  });
  try {
    const [{ runControllers }, { runScheduler }] = await Promise.all([
      import(`${root}controllers/controllers.ts${mark}`),
      import(`${root}scheduler/scheduler.ts${mark}`),
    ]);
    return { runControllers, runScheduler };
  } finally {
    hooks.deregister();
  }
}
