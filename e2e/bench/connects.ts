/**
 * Connects: opens connections one after the other and prints how long each took, in milliseconds. Arguments: host, port,
 * how many. The first tenth warms up and is left out.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { performance } from "node:perf_hooks";

const [host = "", port = "", count = "0"] = process.argv.slice(2);
const times: number[] = [];
for (let index = 0; index < Number(count); index++) {
  const begin = performance.now();
  const socket = connect(Number(port), host);
  await once(socket, "connect");
  times.push(performance.now() - begin);
  socket.resume();
  await once(socket, "close");
}
process.stdout.write(JSON.stringify(times.slice(Math.floor(times.length / 10))));
