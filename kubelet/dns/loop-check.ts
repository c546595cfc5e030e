/**
 * Loop check: finds servers that pass our questions back to us, where a question would go round for ever.
 *
 * Each server is asked once for a name that nobody else knows. When that name is asked here, the
 * server leads back and is left out from then on.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { Exchange, NameServer } from "./exchange.ts";
import { HEADER_BYTES } from "./message.ts";

export interface LoopCheck {
  /** Asks a server for its name, once. */
  probe(server: NameServer): void;
  /** True for a name that one of us asked for: it must not be passed on. */
  isOwnProbe(name: string): boolean;
  leadsBack(server: NameServer): boolean;
}

const SUFFIX = ".k8ts-loop";
const WAIT_MS = 1_500;
/** Servers come from files and flags: more than these are not probed. */
const MOST_SERVERS = 256;
const HINFO = 13;

export function createLoopCheck(exchange: Exchange, clock: Clock, log: Logger): LoopCheck {
  const names = new Map<string, NameServer>();
  const probed = new Set<string>();
  const looping = new Set<string>();
  return {
    probe(server) {
      const id = idOf(server);
      if (probed.has(id) || probed.size >= MOST_SERVERS) return;
      probed.add(id);
      const name = `${Buffer.from(clock.bytes(8)).toString("hex")}${SUFFIX}`;
      names.set(name, server);
      exchange(server, questionFor(name), "udp", WAIT_MS).catch((error: unknown) =>
        log.debug("a name server could not be probed", { server: id, error }),
      );
    },
    isOwnProbe(asked) {
      const name = asked.toLowerCase();
      if (!name.endsWith(SUFFIX)) return false;
      const server = names.get(name);
      if (server && !looping.has(idOf(server))) {
        looping.add(idOf(server));
        log.error("a name server passes questions back to this one: it is not asked any more", {
          server: idOf(server),
        });
      }
      return true;
    },
    leadsBack: (server) => looping.has(idOf(server)),
  };
}

const idOf = ({ address, port }: NameServer) => `${address}#${port}`;

function questionFor(name: string): Buffer {
  const labels = name.split(".").flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(0x0100, 2);
  header.writeUInt16BE(1, 4);
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, HINFO, 0, 1])]);
}
