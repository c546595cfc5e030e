/**
 * Addresses: the IPv4 addresses of simulated Pods, out of the node's podCIDR.
 *
 * The first one belongs to the node's bridge, as on a real node. An address that was given back is
 * used again as late as possible. When the range changes, addresses in use stay as they are.
 */
import { CriError } from "../../cri/errors.ts";

export interface Addresses {
  readonly range: string | undefined;
  setRange(cidr: string): void;
  take(): string;
  giveBack(address: string): void;
}

export function createAddresses(): Addresses {
  const used = new Set<string>();
  let range: string | undefined;
  let base = 0;
  let size = 0;
  let next = 0;
  return {
    get range() {
      return range;
    },
    setRange(cidr) {
      const [, address, bits] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(cidr) ?? [];
      const prefix = Number(bits);
      if (address === undefined || prefix > 30) throw new CriError("InvalidArgument", `"${cidr}" is no range for Pods`);
      range = cidr;
      size = 2 ** (32 - prefix);
      base = Math.floor(numberOf(address) / size) * size;
      next = 0;
    },
    take() {
      if (range === undefined) throw new CriError("Unavailable", "network is not ready: the node has no podCIDR yet");
      const free = size - 3; // without network, bridge and broadcast
      for (let tried = 0; tried < free; tried++) {
        const address = textOf(base + 2 + (next % free));
        next++;
        if (used.has(address)) continue;
        used.add(address);
        return address;
      }
      throw new CriError("ResourceExhausted", `no IP addresses available in range set: ${range}`);
    },
    giveBack: (address) => void used.delete(address),
  };
}

function numberOf(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function textOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}
