/**
 * Shared client: how many requests the nodes of one process have in flight through the client that they share.
 *
 * It would open a connection for each request more, and close it again, where a node has had its own all the time:
 * a server that is busy for a second would get hundreds of handshakes on top.
 */
import { createSlots, type Slots } from "../../scheduler/slots.ts";

/** Fewer than the connections that the client keeps when they are idle. */
const IN_FLIGHT = 200;

export const inFlight = (): Slots => createSlots(IN_FLIGHT);
