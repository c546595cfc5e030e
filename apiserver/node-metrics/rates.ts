/**
 * Rates: two readings of a node become what is used. Pure.
 *
 * A container that was restarted between the two, or that only the later one knows, is measured from its start
 * once it has run for a while: before that it would seem to use what starting costs. A Pod counts only whole.
 */
import type { NodeRates, PodRates, Rate } from "./contract.ts";
import type { PodReading, Point, Reading } from "./reading.ts";

/** As in Kubernetes' own server of these metrics. */
const FRESH_MS = 10_000;

export function ratesOf(before: Reading | undefined, now: Reading): NodeRates {
  const pods = new Map<string, PodRates>();
  for (const [key, pod] of now.pods) {
    const rates = podRates(before?.pods.get(key), pod);
    if (rates) pods.set(key, rates);
  }
  return { node: now.node && between(before?.node, now.node), pods };
}

function podRates(before: PodReading | undefined, { namespace, name, containers }: PodReading): PodRates | undefined {
  const rates = new Map<string, Rate>();
  let oldest: Rate | undefined;
  for (const [container, point] of containers) {
    const rate = between(sameRun(before?.containers.get(container), point), point) ?? sinceStart(point);
    if (!rate) return undefined;
    rates.set(container, rate);
    if (!oldest || rate.at < oldest.at) oldest = rate;
  }
  return oldest && { namespace, name, at: oldest.at, windowMs: oldest.windowMs, containers: rates };
}

function sameRun(before: Point | undefined, { startedAt }: Point): Point | undefined {
  return before && startedAt <= before.at ? before : undefined;
}

function between(before: Point | undefined, now: Point): Rate | undefined {
  if (!before || now.at <= before.at || now.cpuSeconds < before.cpuSeconds) return undefined;
  return rate(now.at - before.at, now.cpuSeconds - before.cpuSeconds, now);
}

function sinceStart(now: Point): Rate | undefined {
  const ranMs = now.at - now.startedAt;
  return now.startedAt > 0 && ranMs >= FRESH_MS ? rate(ranMs, now.cpuSeconds, now) : undefined;
}

function rate(windowMs: number, cpuSeconds: number, { at, memoryBytes }: Point): Rate {
  return { at, windowMs, cpuNanoCores: Math.round((cpuSeconds * 1e12) / windowMs), memoryBytes };
}
