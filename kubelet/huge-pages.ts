/**
 * Huge pages: memory that the machine's administrator has set aside in large pages, which Pods ask for by their size.
 *
 * Their number is read when the kubelet starts: pages set aside later count from its next start on. The names of one size:
 * "hugepages-2Mi" in the API, "2MB" in a cgroup, "2048kB" in /sys, "pagesize=2M" of a mount.
 * https://kubernetes.io/docs/tasks/manage-hugepages/scheduling-hugepages/
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Container, Pod } from "../machinery/objects/kinds.ts";
import { unitValue } from "../machinery/objects/quantity.ts";

/** "hugepages-2Mi" ► bytes that are set aside in such pages. */
export type HugePages = Readonly<Record<string, number>>;

const PREFIX = "hugepages-";
const UNITS = ["Ki", "Mi", "Gi"] as const;
const CGROUP_UNITS = ["KB", "MB", "GB"] as const;
const SYSTEM = "/sys/kernel/mm/hugepages";

/** Sizes that every node tells of, as in Kubernetes. */
export const noHugePages: HugePages = { "hugepages-1Gi": 0, "hugepages-2Mi": 0 };

export async function readHugePages(directory = SYSTEM): Promise<HugePages> {
  const found: Record<string, number> = { ...noHugePages };
  for (const entry of await readdir(directory).catch(noneWhereAbsent)) {
    const kib = Number(/^hugepages-(\d+)kB$/.exec(entry)?.[1] ?? 0);
    const count = Number(await readFile(join(directory, entry, "nr_hugepages"), "utf8"));
    if (kib > 0) found[`${PREFIX}${inUnits(kib * 1024, UNITS)}`] = count * kib * 1024;
  }
  return found;
}

/** A kernel without huge pages. */
function noneWhereAbsent(error: NodeJS.ErrnoException): string[] {
  if (error.code === "ENOENT") return [];
  throw error;
}

export const hugePagesBytes = (pages: HugePages): number => Object.values(pages).reduce((sum, bytes) => sum + bytes, 0);

/** What a container may use of each size; nothing is said on a machine that has set none aside. */
export function hugePageLimits({ resources }: Container, pages: HugePages) {
  if (hugePagesBytes(pages) === 0) return {};
  const limits = Object.keys(pages).map((name) => ({
    pageSize: inUnits(pageBytes(name), CGROUP_UNITS),
    limit: unitValue(resources?.limits?.[name]),
  }));
  return { hugepageLimits: limits };
}

export const isHugePages = (medium: string | undefined): boolean => /^HugePages(-|$)/.test(medium ?? "");

/**
 * Options of the mount of an emptyDir in huge pages: "HugePages-2Mi", or "HugePages" where the Pod asks for one size.
 * Throws where it asks for none of that size, or of several.
 */
export function hugePageOptions(medium: string, pod: Pod, sizeLimit: string | undefined): string {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const asked = new Set(
    containers.flatMap(({ resources }) =>
      Object.keys({ ...resources?.requests, ...resources?.limits }).filter((name) => name.startsWith(PREFIX)),
    ),
  );
  const named = medium === "HugePages" ? undefined : `${PREFIX}${medium.slice("HugePages-".length)}`;
  if (named === undefined && asked.size !== 1)
    throw new Error(
      asked.size === 0
        ? "medium HugePages needs containers that ask for huge pages"
        : "medium HugePages should not be used when huge pages of multiple sizes are requested",
    );
  const [name = ""] = named === undefined ? asked : [named];
  if (!asked.has(name)) throw new Error(`medium ${medium} needs containers that ask for ${name}`);
  const limits = containers.map(({ resources }) => unitValue(resources?.limits?.[name]));
  const most = limits.reduce((sum, limit) => sum + limit, 0);
  const size = Math.min(...[unitValue(sizeLimit), most].filter((bytes) => bytes > 0));
  const page = inUnits(pageBytes(name), ["K", "M", "G"]);
  return Number.isFinite(size) ? `pagesize=${page},size=${size}` : `pagesize=${page}`;
}

const pageBytes = (name: string): number => unitValue(name.slice(PREFIX.length));

/** In the largest unit that leaves it whole. */
function inUnits(bytes: number, units: readonly [string, string, string]): string {
  const kib = bytes / 1024;
  const [k, m, g] = units;
  if (kib % (1024 * 1024) === 0) return `${kib / 1024 / 1024}${g}`;
  return kib % 1024 === 0 ? `${kib / 1024}${m}` : `${kib}${k}`;
}
