/**
 * Own addresses: where the name server listens: the addresses of the node's bridge.
 *
 * They appear when the node's network is prepared, and change when the node gets another range.
 */
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import type { Clock } from "../../machinery/process/clock.ts";

export type ReadInterfaces = () => Readonly<Record<string, NetworkInterfaceInfo[] | undefined>>;

const FIRST_LOOK_MS = 100;
const LOOK_MS = 5_000;

/** One of each family at most, IPv4 first; none before the interface has an IPv4 address. */
function addressesOf(name: string, read: ReadInterfaces): readonly string[] {
  const found = read()[name] ?? [];
  const four = found.find(({ family }) => family === "IPv4");
  const six = found.find(({ family, address }) => family === "IPv6" && !address.startsWith("fe80:"));
  return four ? [four.address, ...(six ? [six.address] : [])] : [];
}

/** Resolves once there are some; rejects when the signal aborts. */
export async function ownAddresses(
  name: string,
  clock: Clock,
  signal: AbortSignal,
  read: ReadInterfaces = networkInterfaces,
): Promise<readonly string[]> {
  for (;;) {
    const found = addressesOf(name, read);
    if (found.length) return found;
    await clock.sleep(FIRST_LOOK_MS, signal);
  }
}

/** Resolves when the interface has other addresses; rejects when the signal aborts. */
export async function addressesChanged(
  name: string,
  current: readonly string[],
  clock: Clock,
  signal: AbortSignal,
  read: ReadInterfaces = networkInterfaces,
): Promise<void> {
  while (addressesOf(name, read).join() === current.join()) await clock.sleep(LOOK_MS, signal);
}
