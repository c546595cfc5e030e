/**
 * Advertise address: under which address others find this machine, unless a flag says it.
 */
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";

/** The address of the interface of the default route, else any that is not the loopback, else that. */
export async function defaultRouteAddress(): Promise<string> {
  const any = Object.keys(networkInterfaces())
    .map(addressOf)
    .find((one) => one !== undefined);
  return (await routedAddress()) ?? any ?? "127.0.0.1";
}

/** The address of the interface of the default route; undefined where there is none. */
export async function routedAddress(): Promise<string | undefined> {
  const table = await readFile("/proc/net/route", "utf8").catch(() => "");
  return addressOf(defaultInterface(table) ?? "");
}

const addressOf = (name: string): string | undefined =>
  networkInterfaces()[name]?.find(({ family, internal }) => family === "IPv4" && !internal)?.address;

/** `table` is /proc/net/route: interface, destination and so on; of several defaults the cheapest. */
export function defaultInterface(table: string): string | undefined {
  const rows = table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
  const defaults = rows.filter(([, destination, , , , , , mask]) => destination === "00000000" && mask === "00000000");
  return defaults.sort((a, b) => Number(a[6]) - Number(b[6]))[0]?.[0];
}
