/**
 * Registry: Debian's docker-registry on a machine, open to all or for one user, filled by skopeo.
 *
 * It listens on the machine's loopback address, where runtimes speak HTTP without being told to. What it holds outlives it.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./cluster.ts";
import type { Machine } from "./machines.ts";
import type { Running } from "./running.ts";

export const hasRegistry = ["docker-registry", "skopeo"].every((program) => existsSync(join("/usr/bin", program)));

export const USER = "ann";
export const PASSWORD = "secret";
/** bcrypt of it, as cheap as it may be. */
const HASH = "$2b$04$k8tsk8tsk8tsk8tsk8tskuysjQJfrYlH3HkNpr2M6DDm.JROtM3Z.";

export interface Registry {
  /** "127.0.0.1:5000" */
  readonly host: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Puts the image of an archive (docker save) there, as "team/app:1". */
  push(archive: string, name: string): Promise<void>;
}

/** Not started yet. `closed`: only USER may read and write. */
export function createRegistry(machine: Machine, port: number, closed: boolean): Registry {
  const directory = join(machine.paths.root, `registry-${port}`);
  const host = `127.0.0.1:${port}`;
  const settings = {
    version: 0.1,
    log: { level: "warn", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, "data") } },
    http: { addr: host },
    ...(closed ? { auth: { htpasswd: { realm: "registry", path: join(directory, "users") } } } : {}),
  };
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "users"), `${USER}:${HASH}\n`);
  writeFileSync(join(directory, "config.json"), JSON.stringify(settings)); // JSON is YAML
  let running: Running | undefined;
  return {
    host,
    async start() {
      running = machine.start("docker-registry", "serve", join(directory, "config.json"));
      const asked = ["curl", "-s", "--max-time", "2", "-o", "/dev/null", `http://${host}/v2/`];
      await eventually("the registry to listen", () => machine.run(...asked));
    },
    async stop() {
      running?.signal("SIGKILL");
      await running?.ended();
    },
    async push(archive, name) {
      const login = closed ? ["--dest-creds", `${USER}:${PASSWORD}`] : [];
      const copy = ["copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false", ...login];
      await machine.run("skopeo", ...copy, `docker-archive:${archive}`, `docker://${host}/${name}`);
    },
  };
}
